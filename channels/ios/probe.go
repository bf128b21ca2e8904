package ios

import (
	"context"
	"slices"
	"strings"

	"tocsin/schema"
)

// Probe asks Apple whether it would take our pushes, by one to a device that does
// not exist: what it says against that device, it says once credentials, topic
// and environment have passed.
func (c *channel) Probe(ctx context.Context) error {
	event, err := schema.Sample("job.fail")
	if err != nil {
		return err
	}
	nobody := device{Token: strings.Repeat("0", shortestToken), Environment: production}
	answer, failure := c.servers[production].push(ctx, c.notification(schema.Delivery{Event: event}, nobody))
	if failure == nil || slices.Contains([]string{reasonBadDevice, reasonOtherApp, "Unregistered", "ExpiredToken"}, answer.Reason) {
		return nil
	}
	return failure
}
