package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pullRequest asks a consumer for messages ($JS.API.CONSUMER.MSG.NEXT).
type pullRequest struct {
	Batch   int           `json:"batch"`   // at most so many
	Expires time.Duration `json:"expires"` // no more after that
}

const (
	// ackPrefix begins the subject by which a message is acknowledged. What a
	// server says itself is not acknowledged.
	ackPrefix = "$JS.ACK."
	// lateness is how long a server that is far away may take to say that a pull
	// is over.
	lateness = time.Second
	// words is room for what a server says itself during a pull.
	words = 8
)

// What ends a pull, or goes on with it, and is no failure (ADR-13).
const (
	statusAlive   = "100"
	statusExpired = "408"
)

// pull asks a consumer for up to batch messages within a time, and hands on each.
//
// It is told from the server's own word by where it is to be acknowledged.
// Clients that look for an empty message with a header "Status" let whoever may
// publish end each pull that his event is in, and with it lose for ackWait what is
// handed out behind it.
func (q *Queue) pull(stream, consumer string, batch int, within time.Duration, start func(*nats.Msg)) error {
	request, err := json.Marshal(pullRequest{Batch: batch, Expires: within})
	if err != nil {
		return fmt.Errorf("pull from consumer %s: %w", consumer, err)
	}
	replies := make(chan *nats.Msg, batch+words)
	inbox := q.conn.NewInbox()
	subscription, err := q.conn.ChanSubscribe(inbox, replies)
	if err != nil {
		return fmt.Errorf("pull from consumer %s: %w", consumer, err)
	}
	defer func() { _ = subscription.Unsubscribe() }() // fails only where the connection is closed
	next := jetstream.DefaultAPIPrefix + "CONSUMER.MSG.NEXT." + stream + "." + consumer
	if err := q.conn.PublishRequest(next, inbox, request); err != nil {
		return fmt.Errorf("pull from consumer %s: %w", consumer, err)
	}
	silence := time.NewTimer(within + lateness)
	defer silence.Stop()
	for batch > 0 {
		select {
		case msg := <-replies:
			silence.Reset(within + lateness)
			if strings.HasPrefix(msg.Reply, ackPrefix) {
				batch--
				start(msg)
				continue
			}
			if over, err := endOfPull(msg); over {
				return wrap(err, "pull from consumer %s", consumer)
			}
		case <-silence.C: // the connection is broken: it mends itself
			return nil
		}
	}
	return nil
}

// endOfPull reads what a server says of a pull. The status 409 has many reasons,
// and all of them say that the consumer is not there, or not well.
func endOfPull(word *nats.Msg) (over bool, err error) {
	switch word.Header.Get(statusHeader) {
	case statusAlive:
		return false, nil
	case statusNone, statusExpired:
		return true, nil
	default:
		return true, refusal(word)
	}
}
