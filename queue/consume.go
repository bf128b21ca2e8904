package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"tocsin/schema"
)

// PublishedEvent is an event as it lies in TOCSIN_EVENTS.
type PublishedEvent struct {
	schema.Message
	Sequence uint64 // of its first publication: a replay keeps it
	Deferred bool   // it waits apart from those of other accounts already, and is routed there
}

type (
	eventHandler    = func(ctx context.Context, e PublishedEvent) Outcome
	deliveryHandler = func(ctx context.Context, d schema.Delivery) Outcome
	messageHandler  = func(ctx context.Context, msg *nats.Msg) Outcome
)

// Events adds the lanes that hand out events: one in the order of publication,
// one for those of accounts that have more than their share of them, and one for
// events that are tried alone.
func (p *Pool) Events(slots int, handle eventHandler) {
	meter := p.laneMeter(Routing)
	p.add(EventStream, jetstream.ConsumerConfig{Durable: routerConsumer, AckWait: routeWait}, slots, meter, p.routing(handle))
	p.addBehind(DeliveryStream,
		jetstream.ConsumerConfig{Durable: events + "-crowd", FilterSubject: eventsCrowd(), AckWait: routeWait},
		max(slots/4, 1), meter, p.routing(handle))
	p.addAlone(events, meter, p.routingAlone(handle))
}

const routerConsumer = "router"

// routeWait is how long after a worker's death its events go to another: later
// than its deliveries, so that one of these that kills its workers does not do
// so in the middle of the same fan-out each time.
const routeWait = ackWait * 3 / 2

// Deliveries adds the lanes of one channel: one for first attempts, one for
// those of accounts that have more than their share of them, one for each length
// of wait, so that retries, however many, stay off the way of first attempts,
// and one for deliveries that are tried alone. The first two are there for each
// partition, which share the slots.
func (p *Pool) Deliveries(channel string, slots int, handle deliveryHandler) {
	meter := p.laneMeter(channel)
	share := p.queue.share(slots)
	for _, part := range p.queue.partitions {
		p.add(part.stream(),
			jetstream.ConsumerConfig{Durable: channel, FilterSubject: part.first(channel)},
			share, meter, p.delivering(channel, ladder[0], handle))
		p.addBehind(part.stream(),
			jetstream.ConsumerConfig{Durable: channel + "-crowd", FilterSubject: part.crowd(channel)},
			share, meter, p.delivering(channel, ladder[0], handle))
	}
	for _, r := range ladder {
		p.addBehind(RetryStream,
			jetstream.ConsumerConfig{Durable: channel + "-" + r.name, FilterSubject: retrySubject(r, channel)},
			max(slots/4, 4), meter, p.delivering(channel, r, handle))
	}
	p.addAlone(channel, meter, p.deliveringAlone(channel, handle))
}

// window is how many messages of a consumer the server tracks. It bounds its
// memory; its value costs nothing, what is held in it does.
const window = 4000

func (p *Pool) add(stream string, consumer jetstream.ConsumerConfig, slots int, meter laneMeter, handle messageHandler) {
	consumer.AckPolicy = jetstream.AckExplicitPolicy
	consumer.AckWait = max(consumer.AckWait, ackWait)
	consumer.MaxDeliver = -1 // beyond it a message would lie in the stream, invisible; we count ourselves
	if consumer.MaxAckPending == 0 {
		consumer.MaxAckPending = window
	}
	slots = max(slots, 1)
	meter.opened(slots)
	p.lanes = append(p.lanes, lane{queue: p.queue, stream: stream, consumer: consumer, slots: slots, handle: handle, meter: meter, inHand: p.inHand})
}

// addBehind adds a lane that gives way to those for which somebody waits.
func (p *Pool) addBehind(stream string, consumer jetstream.ConsumerConfig, slots int, meter laneMeter, handle messageHandler) {
	p.add(stream, consumer, slots, meter, handle)
	p.lanes[len(p.lanes)-1].canWait = true
}

func (p *Pool) routing(handle eventHandler) messageHandler {
	return func(ctx context.Context, msg *nats.Msg) Outcome {
		e, handed, err := publishedEvent(msg)
		switch {
		case err != nil:
			return BuryEvent(Death{Cause: Invalid, Type: schema.UnknownType, Reason: err.Error()})
		case handed > handouts:
			p.queue.log.Error("event is never settled; it will be tried alone",
				zap.Uint64("sequence", e.Sequence), zap.Uint64("handouts", handed))
			return Outcome{verdict: isolateEvent}
		}
		return handle(ctx, e)
	}
}

// delivering reads the delivery, sees that it is due, and keeps one that never
// settles from going round for ever.
func (p *Pool) delivering(channel string, r rung, handle deliveryHandler) messageHandler {
	return func(ctx context.Context, msg *nats.Msg) Outcome {
		d, meta, unreadable := p.read(channel, msg)
		if unreadable != nil {
			return *unreadable
		}
		switch step := r.next(parkedAt(msg.Header, meta.Timestamp), d.Due, time.Now()); step.kind {
		case stay:
			return stayFor(step.wait)
		case hop:
			return Park(d)
		}
		if meta.NumDelivered > handouts {
			p.queue.log.Error("delivery is never settled; it will be tried alone",
				zap.String("delivery", d.ID()), zap.Uint64("handouts", meta.NumDelivered))
			d.Strikes++
			return isolate(d)
		}
		return handle(ctx, d)
	}
}

// read reads the delivery of a lane, or says what becomes of a message that is
// none.
func (p *Pool) read(channel string, msg *nats.Msg) (d schema.Delivery, meta *nats.MsgMetadata, unreadable *Outcome) {
	d, err := decode(msg.Header, msg.Data)
	if err == nil && d.Channel != channel {
		err = fmt.Errorf("it lies with %s, and header %s names another channel", channel, headerChannel)
	}
	if err == nil {
		meta, err = msg.Metadata()
	}
	if err != nil {
		p.queue.log.Error("unreadable delivery", zap.String("subject", msg.Subject), zap.Error(err))
		buried := BuryEvent(Death{Cause: Invalid, Type: schema.UnknownType, Reason: err.Error()})
		return d, nil, &buried
	}
	return d, meta, nil
}
