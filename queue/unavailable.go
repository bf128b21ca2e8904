package queue

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Unavailable reports whether err comes from a server that is away, slow or
// full, so that the same operation can succeed later.
func Unavailable(err error) bool {
	for _, outage := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrConnectionReconnecting,
		nats.ErrReconnectBufExceeded, jetstream.ErrNoStreamResponse, jetstream.ErrTooManyStalledMsgs,
		jetstream.ErrAsyncPublishTimeout, context.DeadlineExceeded,
	} {
		if errors.Is(err, outage) {
			return true
		}
	}
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.Code >= 500 || refused.Code == 429)
}
