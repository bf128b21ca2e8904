package queue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"tocsin/schema"
)

// publishedEvent reads an event where it was published, or where it waits beside
// the others or to be tried alone, and how often it was handed out there.
func publishedEvent(msg *nats.Msg) (e PublishedEvent, handed uint64, err error) {
	meta, err := msg.Metadata()
	if err != nil {
		return e, 0, fmt.Errorf("message without metadata: %w", err)
	}
	header := msg.Header
	e.Message = schema.Message{
		Subject: msg.Subject, Header: schema.Header(header), Body: msg.Data, Stored: meta.Timestamp,
	}
	e.Sequence = meta.Sequence.Stream
	if first, err := strconv.ParseUint(header.Get(headerSequence), 10, 64); err == nil {
		e.Sequence = first
	}
	if e.Deferred = msg.Subject == eventsCrowd() || msg.Subject == aloneSubject(events); e.Deferred {
		r := reader{header: header}
		e.Subject, e.Stored = r.text(headerSubject), r.moment(headerStored)
		err = r.err
	}
	return e, meta.NumDelivered, err
}

// movedEvent is the event as it was published, on its way to another lane.
func movedEvent(msg *nats.Msg, subject string) *nats.Msg {
	return &nats.Msg{Subject: subject, Header: eventHeader(msg), Data: msg.Data}
}

// deadEvent is the event as it was published, with the reason beside it.
func deadEvent(msg *nats.Msg, death Death) *nats.Msg {
	header := eventHeader(msg)
	markDead(header, death)
	return &nats.Msg{Subject: schema.DeadEventSubject(death.Type), Header: header, Data: msg.Data}
}

// eventHeader is the header of an event that leaves TOCSIN_EVENTS: its own, and
// where it comes from. Headers that would not fit beside ours are left out, and
// counted: the whole message can still be read from TOCSIN_EVENTS by its
// sequence.
func eventHeader(msg *nats.Msg) nats.Header {
	header := nats.Header{}
	room := 48 << 10 // NATS takes 64 KiB of headers, and ours are below 2 KiB
	dropped := 0
	for name, values := range msg.Header {
		if forServer(name) {
			continue
		}
		size := len(name) + len(strings.Join(values, "")) + 4*len(values)
		if size > room {
			dropped++
			continue
		}
		room -= size
		header[name] = values
	}
	if dropped > 0 {
		header[headerDropped] = []string{strconv.Itoa(dropped)}
	}
	header[headerSubject] = []string{msg.Subject}
	if e, _, err := publishedEvent(msg); err == nil {
		header[headerSubject] = []string{e.Subject}
		header[headerSequence] = []string{strconv.FormatUint(e.Sequence, 10)}
		header[headerStored] = []string{e.Stored.UTC().Format(time.RFC3339Nano)}
	}
	return header
}

// forServer reports whether a header speaks to the NATS server about the message
// that carries it. Taken over into another message it would be obeyed again:
// with the Nats-Expected-Stream of a careful publisher a dead letter would be
// refused for ever, and with its Nats-Msg-Id a second death of a replayed event
// would be a duplicate.
func forServer(name string) bool {
	const prefix = "Nats-"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
