package email

import (
	"context"
	"time"
)

// Probe asks the mail server whether it would take mails from our sender, and
// sends none. Refusals at later steps are about recipients.
func (c *channel) Probe(ctx context.Context) error {
	started := time.Now()
	s, err := c.server.dial(ctx)
	if err != nil {
		return c.server.failure(ctx, &unopened{err}, "", started)
	}
	defer s.drop()
	s.guarded(ctx, func() {
		err = s.offer([]command{{stepSender, "MAIL FROM:<" + c.writer.from.Address + ">", 2}, {stepReset, "RSET", 2}})
	})
	if err != nil {
		return c.server.failure(ctx, err, "", started)
	}
	return nil
}
