package queue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"tocsin/schema"
)

// A delivery travels as the event it carries, a CloudEvent in binary mode, and
// these headers beside it. The body is the event's data, byte for byte, on
// every hop and in the dead letter.
const (
	headerDelivery  = "Tocsin-Delivery" // its id, for people and tools; computed, never read back
	headerUser      = "Tocsin-User"
	headerChannel   = "Tocsin-Channel"
	headerTarget    = "Tocsin-Target"
	headerSince     = "Tocsin-Down-Since"
	headerPublished = "Tocsin-Published"
	headerPlanned   = "Tocsin-Planned"
	headerDue       = "Tocsin-Due"
	headerAttempts  = "Tocsin-Attempts"
	headerLastAt    = "Tocsin-Last-At"
	headerStatus    = "Tocsin-Last-Status"
	headerReason    = "Tocsin-Last-Reason"
	headerHost      = "Tocsin-Last-Host"
	headerStrikes   = "Tocsin-Strikes"
	headerHops      = "Tocsin-Hops"
	headerReplays   = "Tocsin-Replays"
	headerParked    = "Tocsin-Parked" // when its last hop began, by the clock that set what it waits for

	// Of dead letters alone.
	headerCause      = "Tocsin-Dead-Cause"
	headerDeadReason = "Tocsin-Dead-Reason"
	headerDeadAt     = "Tocsin-Dead-At"

	// Of events outside TOCSIN_EVENTS, and of replayed ones in it.
	headerSubject  = "Tocsin-Subject"         // where it was published
	headerSequence = "Tocsin-Sequence"        // the place of its first publication in TOCSIN_EVENTS
	headerStored   = "Tocsin-Stored"          // when it was published
	headerDropped  = "Tocsin-Headers-Dropped" // how many of its headers did not fit
)

// maxReason bounds what a far end can make us carry in a header.
const maxReason = 500

func encode(subject string, d schema.Delivery) *nats.Msg {
	header := nats.Header(d.Event.Header())
	values := make([]string, 0, 16) // one allocation for all of them
	set := func(name, value string) {
		values = append(values, value)
		header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	count := func(name string, n int) {
		if n != 0 {
			set(name, strconv.Itoa(n))
		}
	}
	moment := func(name string, t time.Time) {
		if !t.IsZero() {
			set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	set(headerDelivery, d.ID())
	set(headerUser, d.User)
	set(headerChannel, d.Channel)
	set(headerTarget, d.Target)
	moment(headerSince, d.Since)
	moment(headerPublished, d.Published)
	moment(headerPlanned, d.Planned)
	moment(headerDue, d.Due)
	count(headerAttempts, d.Attempts)
	moment(headerLastAt, d.Last.At)
	if d.Attempts > 0 {
		set(headerStatus, oneLine(d.Last.Status))
		set(headerReason, oneLine(d.Last.Reason))
	}
	if d.Last.Host != "" {
		set(headerHost, oneLine(d.Last.Host))
	}
	count(headerStrikes, d.Strikes)
	count(headerHops, d.Hops)
	count(headerReplays, d.Replays)
	return &nats.Msg{Subject: subject, Header: header, Data: d.Event.Data}
}

func decode(header nats.Header, data []byte) (schema.Delivery, error) {
	event, err := schema.ReadEvent(schema.Header(header), data)
	if err != nil {
		return schema.Delivery{}, fmt.Errorf("read delivery: %w", err)
	}
	r := reader{header: header}
	d := schema.Delivery{
		Event:     event,
		User:      r.text(headerUser),
		Channel:   r.text(headerChannel),
		Target:    r.text(headerTarget),
		Since:     r.moment(headerSince),
		Published: r.moment(headerPublished),
		Planned:   r.moment(headerPlanned),
		Due:       r.moment(headerDue),
		Attempts:  r.count(headerAttempts),
		Last: schema.Attempt{
			At:     r.moment(headerLastAt),
			Status: r.text(headerStatus),
			Reason: r.text(headerReason),
			Host:   r.text(headerHost),
		},
		Strikes: r.count(headerStrikes),
		Hops:    r.count(headerHops),
		Replays: r.count(headerReplays),
	}
	for _, name := range [...]string{headerUser, headerChannel, headerTarget} {
		if r.err == nil && !schema.ValidID(r.text(name)) {
			r.err = fmt.Errorf("header %s is not an id", name)
		}
	}
	if r.err != nil {
		return schema.Delivery{}, fmt.Errorf("read delivery: %w", r.err)
	}
	return d, nil
}

// reader reads headers and keeps the first error.
type reader struct {
	header nats.Header
	err    error
}

func (r *reader) text(name string) string { return r.header.Get(name) }

func (r *reader) count(name string) int {
	text := r.header.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("header %s: %w", name, err)
	}
	return n
}

func (r *reader) moment(name string) time.Time {
	text := r.header.Get(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("header %s: %w", name, err)
	}
	return t
}

// parkedAt is when a delivery began to wait where it lies. By the clock of whoever
// parked it and not by the server's, which stored it: where a worker's is ahead
// of that by more than the wait, each wait would be over at once, and the
// delivery would hop on the spot until it is due.
func parkedAt(header nats.Header, stored time.Time) time.Time {
	r := reader{header: header}
	if parked := r.moment(headerParked); r.err == nil && !parked.IsZero() {
		return parked
	}
	return stored // for its first attempt, or by an earlier version
}

// oneLine makes any text fit for a header: no line breaks or control
// characters, and a bounded length.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return strings.TrimSpace(text)
}

func deadDelivery(d schema.Delivery, death Death) *nats.Msg {
	msg := encode(schema.DeadSubject(d.Channel, d.Event.Type), d)
	markDead(msg.Header, death)
	return msg
}

func markDead(header nats.Header, death Death) {
	header[headerCause] = []string{string(death.Cause)}
	header[headerDeadReason] = []string{oneLine(death.Reason)}
	header[headerDeadAt] = []string{time.Now().UTC().Format(time.RFC3339Nano)}
}
