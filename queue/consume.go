package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"tocsin/schema"
)

// PublishedEvent is an event as it lies in TOCSIN_EVENTS.
type PublishedEvent struct {
	schema.Message
	Sequence uint64
}

// handouts is how often a message may be handed out before we suspect that it
// kills its worker: a message is handed out again only after a crash, a stall
// beyond ackWait, or a worker that stopped before it could begin.
const handouts = 4

// maxStrikes is how often a delivery may be suspected. A parked delivery is
// also handed out once too early, and again after every restart of the server,
// so the first suspicion only parks it anew.
const maxStrikes = 3

// Events adds the lane that hands out events in the order of publication.
func (p *Pool) Events(slots int, handle func(ctx context.Context, e PublishedEvent) Outcome) {
	p.add(EventStream, jetstream.ConsumerConfig{Durable: "router"}, slots,
		func(ctx context.Context, msg jetstream.Msg) Outcome {
			meta, err := msg.Metadata()
			if err != nil {
				return BuryEvent(Death{Cause: Invalid, Type: schema.UnknownType, Reason: "message without metadata"})
			}
			if meta.NumDelivered > handouts {
				p.queue.log.Error("event is never settled; giving it up",
					zap.Uint64("sequence", meta.Sequence.Stream), zap.Uint64("handouts", meta.NumDelivered))
				return BuryEvent(Death{Cause: Poison, Type: schema.TypeOf(msg.Subject()),
					Reason: fmt.Sprintf("handed out %d times and never settled", meta.NumDelivered-1)})
			}
			return handle(ctx, PublishedEvent{
				Message: schema.Message{
					Subject: msg.Subject(), Header: schema.Header(msg.Headers()), Body: msg.Data(), Stored: meta.Timestamp,
				},
				Sequence: meta.Sequence.Stream,
			})
		})
}

// Deliveries adds the lanes of one channel: one for first attempts and one for
// each length of wait, so that retries, however many, stay off the way of
// first attempts.
func (p *Pool) Deliveries(channel string, slots int, handle func(ctx context.Context, d schema.Delivery) Outcome) {
	p.add(DeliveryStream,
		jetstream.ConsumerConfig{Durable: channel, FilterSubject: schema.DeliverySubject(channel)},
		slots, p.suspicious(ladder[0], handle))
	for _, r := range ladder {
		p.add(RetryStream,
			jetstream.ConsumerConfig{Durable: channel + "-" + r.name, FilterSubject: retrySubject(r, channel)},
			max(slots/4, 4), p.suspicious(r, handle))
	}
}

// window is how many messages of a consumer the server tracks. It bounds its
// memory; its value costs nothing, what is held in it does.
const window = 4000

func (p *Pool) add(stream string, consumer jetstream.ConsumerConfig, slots int,
	handle func(ctx context.Context, msg jetstream.Msg) Outcome,
) {
	consumer.AckPolicy = jetstream.AckExplicitPolicy
	consumer.AckWait = ackWait
	consumer.MaxDeliver = -1 // beyond it a message would lie in the stream, invisible; we count ourselves
	consumer.MaxAckPending = window
	p.lanes = append(p.lanes, lane{queue: p.queue, stream: stream, consumer: consumer, slots: max(slots, 1), handle: handle})
}

// suspicious reads the delivery, sees that it is due, and keeps one that never
// settles from going round for ever.
func (p *Pool) suspicious(r rung, handle func(ctx context.Context, d schema.Delivery) Outcome,
) func(ctx context.Context, msg jetstream.Msg) Outcome {
	return func(ctx context.Context, msg jetstream.Msg) Outcome {
		d, err := decode(msg.Headers(), msg.Data())
		if err != nil {
			p.queue.log.Error("unreadable delivery", zap.String("subject", msg.Subject()), zap.Error(err))
			return BuryEvent(Death{Cause: Invalid, Type: schema.UnknownType, Reason: err.Error()})
		}
		meta, err := msg.Metadata()
		if err != nil {
			return Park(d)
		}
		switch step := r.next(meta.Timestamp, d.Due, time.Now()); step.kind {
		case stay:
			return stayFor(step.wait)
		case hop:
			return Park(d)
		}
		if meta.NumDelivered > handouts {
			p.queue.log.Error("delivery is never settled", zap.String("delivery", d.ID()),
				zap.Uint64("handouts", meta.NumDelivered), zap.Int("strikes", d.Strikes))
			return strike(d)
		}
		return handle(ctx, d)
	}
}

func strike(d schema.Delivery) Outcome {
	d.Strikes++
	if d.Strikes >= maxStrikes {
		return Bury(d, Death{Cause: Poison, Reason: "handed out again and again and never settled"})
	}
	d.Due = time.Now().Add(ladder[0].wait)
	return Park(d)
}
