package queue

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"tocsin/schema"
)

// A message that kills its worker takes along what the worker has in hand
// beside it, again and again, and by the count of handouts nobody can tell the
// innocent from the culprit. So a suspect is first tried alone: of all suspects
// of a channel, and of all suspected events, the fleet has one in hand at a
// time. What is then never settled is to blame itself, and becomes a dead
// letter.
const (
	// handouts is how often a message is handed out before it is a suspect: a
	// message is handed out again only after a crash, a stall beyond ackWait, a
	// worker that stopped before it could begin, and once while it is parked.
	handouts = 4
	// trials is how often a suspect is tried alone.
	trials = 3
)

// events stands where channels stand in the names of suspects' subjects and
// consumers. No channel has this name: dead events have it in theirs.
const events = "event"

func aloneSubject(channel string) string { return "tocsin.retries.alone." + channel }

func (p *Pool) addAlone(channel string, meter laneMeter, handle messageHandler) {
	p.add(RetryStream, jetstream.ConsumerConfig{
		Durable: channel + "-alone", FilterSubject: aloneSubject(channel), MaxAckPending: 1, AckWait: aloneWait(channel),
	}, 1, meter, handle)
}

// aloneWait is how long after a crash a suspect is tried again: later than all
// that died beside it, and at another time than the suspect of another channel,
// so that they do not meet again.
func aloneWait(channel string) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(channel))
	return 2*ackWait + time.Duration(h.Sum32()%60)*time.Second
}

func (p *Pool) routingAlone(handle eventHandler) messageHandler {
	return func(ctx context.Context, msg *nats.Msg) Outcome {
		e, handed, err := publishedEvent(msg)
		switch {
		case err != nil:
			return BuryEvent(Death{Cause: Invalid, Type: schema.UnknownType, Reason: err.Error()})
		case handed > trials:
			p.queue.log.Error("event is never settled; giving it up", zap.Uint64("sequence", e.Sequence))
			return BuryEvent(Death{Cause: Poison, Type: schema.TypeOf(e.Subject), Reason: neverSettled(handed)})
		}
		return anew(handle(ctx, e), Outcome{verdict: isolateEvent})
	}
}

func (p *Pool) deliveringAlone(channel string, handle deliveryHandler) messageHandler {
	return func(ctx context.Context, msg *nats.Msg) Outcome {
		d, meta, unreadable := p.read(channel, msg)
		if unreadable != nil {
			return *unreadable
		}
		if meta.NumDelivered > trials {
			p.queue.log.Error("delivery is never settled; giving it up", zap.String("delivery", d.ID()))
			return Bury(d, Death{Cause: Poison, Reason: neverSettled(meta.NumDelivered)})
		}
		return anew(handle(ctx, d), isolate(d))
	}
}

// anew begins the count of handouts anew where a worker stopped before it could
// do anything: that is no evidence against what it had in hand.
func anew(outcome, isolated Outcome) Outcome {
	if outcome.verdict == handBack {
		return isolated
	}
	return outcome
}

func neverSettled(handed uint64) string {
	return fmt.Sprintf("handed out alone %d times and never settled", handed-1)
}

// isolate says that d is to be tried alone.
func isolate(d schema.Delivery) Outcome { return Outcome{verdict: isolated, delivery: d} }
