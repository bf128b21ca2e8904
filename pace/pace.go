// Package pace keeps the whole fleet to what a place takes: so many messages in
// any window of time, and, once a backlog waits for it, several deliveries in
// one message.
//
// Redis holds nothing here that is not held better elsewhere. A delivery that
// has to wait stays parked in its stream and only leaves a line for people
// with us; if Redis forgets everything, each is merely sent on its own.
//
// A delivery asks with Admit whenever its time has come:
//
//	Send   the place takes a message now. It may list others that wait
//	       (Companions); once it is accepted, Told notes these.
//	Wait   ask again in so long. Whoever asks again is ahead of whoever is new.
//	Told   another delivery's message has listed this one: it is delivered.
//
// A companion is set aside for Grace. If the message that lists it fails, or
// its sender dies before Told, it is sent again with its own turn: twice in the
// room perhaps, never not at all.
package pace

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tocsin/schema"
)

// Pacer admits deliveries. Its methods may be called from many goroutines;
// their errors wrap those of the Redis client.
type Pacer struct {
	// Backlog is how many may wait before a message lists several.
	Backlog int
	// Grace is how long the fleet waits for a message that lists others to be
	// told, and for a delivery whose turn has come to ask. It is longer than
	// any attempt.
	Grace time.Duration
	// Memory is how long a delivery may take to come round and learn that it
	// was told in another message.
	Memory time.Duration
	// Most bounds how many of those that wait for one room are listed, and with
	// it the memory: a record has at most a kilobyte. Who comes later waits
	// unlisted.
	Most int

	client redis.UniversalClient
}

// New makes a Pacer with its defaults: a backlog of 10, a minute's grace, a
// day's memory, and 10,000 that wait for one room.
func New(client redis.UniversalClient) *Pacer {
	return &Pacer{Backlog: 10, Grace: time.Minute, Memory: 24 * time.Hour, Most: 10_000, client: client}
}

const (
	// longestLine bounds, in bytes, the line of a waiting delivery.
	longestLine = 512
	// answered is how long it is remembered that a delivery has learned that it
	// was told: as long as its acknowledgement may be lost and it asks again.
	answered = 10 * time.Minute
)

// Room is a place that takes only so many messages. Targets of a channel with
// equal settings are one room, whoever they belong to.
type Room struct {
	Channel  string
	Settings json.RawMessage
	Rate     Rate
	Carry    int // most others that one message may list; 0: each has its own
}

// Rate bounds the messages in any window of time as long as Per; zero does not.
type Rate struct {
	Messages int
	Per      time.Duration
}

// Verdict is what becomes of a delivery that asked.
type Verdict struct {
	Answer     Answer
	At         time.Time     // of Send: the moment at which it counts, by Redis' clock
	Companions []Companion   // of Send: who may be listed in the message, in the order of their events
	Wait       time.Duration // of Wait: when to ask again
	By         string        // of Told: id of the delivery whose message listed this one
}

// Answer is the kind of a Verdict.
type Answer string

// Answers.
const (
	Send Answer = "send"
	Wait Answer = "wait"
	Told Answer = "told"
)

// Companion is a delivery that waits for the same room: enough of it to ask
// whether it is still wanted there, and to name it.
type Companion struct {
	ID      string `json:"-"`
	Account string `json:"account"`
	Type    string `json:"type"`
	User    string `json:"user"`
	Target  string `json:"target"`
	Line    string `json:"line"` // what happened to what, for people

	Time time.Time `json:"time"` // of the event
}

// Delivery is as much of the companion as decides where it goes.
func (c Companion) Delivery(channel string) schema.Delivery {
	return schema.Delivery{
		Event: schema.Event{Type: c.Type, Account: c.Account},
		User:  c.User, Channel: channel, Target: c.Target,
	}
}

// Admit asks for a message to the room. line says in a few words what d is
// about, in case that another message lists it.
//
// A companion that is not listed after all (its owner has switched it off or
// moved to another room) needs nothing: it asks again when Grace is over.
func (p *Pacer) Admit(ctx context.Context, room Room, d schema.Delivery, line string) (Verdict, error) {
	if room.Rate.Messages <= 0 || room.Rate.Per <= 0 {
		return Verdict{Answer: Send, At: time.Now()}, nil
	}
	id := d.ID()
	record, err := json.Marshal(Companion{
		Account: d.Event.Account, Type: d.Event.Type, User: d.User, Target: d.Target,
		Line: shorten(line), Time: d.Event.Time,
	})
	if err != nil {
		return Verdict{}, fmt.Errorf("encode a waiting delivery: %w", err)
	}
	reply, err := admit.Run(ctx, p.client, room.keys(id), id, record,
		room.Rate.Messages, room.Rate.Per.Microseconds(), p.Backlog, room.Carry,
		p.Grace.Microseconds(), answered.Milliseconds(), p.Most).Slice()
	if err != nil {
		return Verdict{}, fmt.Errorf("ask for a message to a room: %w", err)
	}
	return readVerdict(reply)
}

// Told notes that a message has listed these deliveries. by is the id of the
// delivery that was admitted.
func (p *Pacer) Told(ctx context.Context, room Room, by string, ids []string) error {
	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, id := range ids {
			pipe.Set(ctx, room.toldKey(id), by, p.Memory)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note what a message has told: %w", err)
	}
	return nil
}

// Close keeps the fleet away from a room that has asked for it: some limit is
// reached that we do not count, or others send there too.
func (p *Pacer) Close(ctx context.Context, room Room, wait time.Duration) error {
	err := closeRoom.Run(ctx, p.client, []string{room.key("closed")}, wait.Microseconds()).Err()
	if err != nil {
		return fmt.Errorf("close a room: %w", err)
	}
	return nil
}

func shorten(line string) string {
	if len(line) <= longestLine {
		return line
	}
	const ellipsis = "…"
	return strings.ToValidUTF8(line[:longestLine-len(ellipsis)], "") + ellipsis
}
