package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"tocsin/faultpoint"
)

const (
	// ackWait is how long after a worker's death its messages go to another.
	ackWait = 30 * time.Second
	// heartbeat keeps a message in hand; two may be lost before ackWait ends.
	heartbeat = ackWait / 3
	// pullWait bounds one pull. A stopping worker waits for its open pulls to
	// end and hands back what they still bring.
	pullWait = time.Second
)

// lane hands out the messages of one consumer, no more at a time than it has
// slots.
type lane struct {
	queue    *Queue
	stream   string
	consumer jetstream.ConsumerConfig
	slots    int
	handle   func(ctx context.Context, msg *nats.Msg) Outcome
	meter    laneMeter
	inHand   *inHand // of the pool
	canWait  bool    // it gives way to other lanes
}

// Pool runs lanes together and stops them together.
type Pool struct {
	Meter Meter // nil: nobody counts. Set it before lanes are added

	queue  *Queue
	lanes  []lane
	inHand *inHand
	drain  time.Duration
}

// NewPool makes a pool without lanes. drain is how long messages in hand may
// take once it is told to stop.
func (q *Queue) NewPool(drain time.Duration) *Pool {
	return &Pool{queue: q, inHand: newInHand(), drain: drain}
}

// Run hands out messages until stop is done; then it pulls no more, lets what
// is in hand finish, and returns. What is still in hand after the drain time
// is given up: its context ends, and another worker gets the message. Run does
// not wait for a handler that goes on even then.
func (p *Pool) Run(stop context.Context) {
	work, giveUp := context.WithCancelCause(context.WithoutCancel(stop))
	defer giveUp(nil)
	go p.inHand.keep(work)
	var lanes sync.WaitGroup
	for _, l := range p.lanes {
		lanes.Go(func() { l.run(stop, work) })
	}
	finished := make(chan struct{})
	go func() { defer close(finished); lanes.Wait() }()
	<-stop.Done()
	if !within(p.drain, finished) {
		giveUp(errDrained)
		if !within(lastWord, finished) {
			p.queue.log.Error("handlers do not end; leaving them behind")
		}
	}
}

// lastWord is how long handlers may take to return once their context is done.
const lastWord = 5 * time.Second

func within(wait time.Duration, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(wait):
		return false
	}
}

var errDrained = errors.New("the drain time is over")

// run pulls messages and has them handled until stop is done, and returns when
// none is in hand any more.
func (l lane) run(stop, work context.Context) {
	slots, closed := newSlots(l.slots), make(chan struct{})
	hands := &hands{
		handle: func(msg *nats.Msg) { l.hold(stop, work, closed, msg) },
		freed:  func() { slots.release(1) },
	}
	defer hands.end()
	defer close(closed)
	outages := outage()
	ensured := false
	for stop.Err() == nil {
		var err error
		if !ensured {
			err = l.ensureConsumer(stop)
		}
		if err == nil {
			err = l.pull(stop, slots, hands.take)
		}
		if err == nil {
			outages.Reset()
			ensured = true
			continue
		}
		ensured = false // whatever became of it, it is made anew or put right
		l.queue.seekLeader(err)
		l.rest(stop, outages.NextBackOff(), err)
	}
}

// rest waits after a pull that failed, unless it failed because of stop.
func (l lane) rest(stop context.Context, wait time.Duration, err error) {
	if stop.Err() != nil {
		return
	}
	l.queue.log.Warn("cannot pull; trying again", zap.String("consumer", l.consumer.Durable),
		zap.Duration("next_try", wait), zap.Error(err))
	select {
	case <-time.After(wait):
	case <-stop.Done():
	}
}

// pull asks for as many messages as there are free slots and starts each.
func (l lane) pull(stop context.Context, slots *slots, start func(*nats.Msg)) error {
	free := slots.take(stop)
	if free == 0 {
		return nil
	}
	err := l.queue.pull(l.stream, l.consumer.Durable, free, pullWait, func(msg *nats.Msg) {
		free--
		if !l.canWait && (free > 0 || l.stream == EventStream) {
			l.queue.background.handedOut(msg, time.Now())
		}
		start(msg)
	})
	slots.release(free)
	return err
}

// hold keeps a message in hand while it is handled, and settles it. One that
// is handed back waits until the lane is closed: the lane's own last pull would
// get it again, and again, until it looked like one that kills its workers.
func (l lane) hold(stop, work context.Context, closed <-chan struct{}, msg *nats.Msg) {
	l.inHand.take(msg)
	defer l.inHand.letGo(msg)
	l.meter.inHand(1)
	defer l.meter.inHand(-1)
	if l.canWait {
		l.queue.background.giveWay(stop, 1)
	}
	outcome := HandBack()
	if stop.Err() == nil {
		outcome = l.attend(work, msg)
	}
	if outcome.verdict == handBack {
		<-closed
	}
	if l.queue.settle(work, msg, outcome) && outcome.verdict == bury {
		l.meter.buried(outcome.death.Cause)
	}
}

// attend lets a panic hurt the message that caused it and none beside it: that
// one is handed out again, and ends as a dead letter if it goes on so.
func (l lane) attend(work context.Context, msg *nats.Msg) (outcome Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			l.queue.log.Error("handling a message panicked", zap.String("consumer", l.consumer.Durable),
				zap.Any("cause", cause), zap.ByteString("stack", debug.Stack()))
			outcome = Outcome{verdict: abandon}
		}
	}()
	return l.handle(work, msg)
}

func (l lane) ensureConsumer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	l.queue.beginPaused(ctx, &l.consumer) // of this call's copy of the lane
	_, err := l.queue.js.CreateOrUpdateConsumer(ctx, l.stream, l.consumer)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if err := l.queue.Setup(ctx, 0); err != nil {
			return err
		}
		_, err = l.queue.js.CreateOrUpdateConsumer(ctx, l.stream, l.consumer)
	}
	return wrap(err, "create consumer %s on %s", l.consumer.Durable, l.stream)
}

// settle does what an outcome says, and is the only place that acknowledges. It
// stores what comes next before it acknowledges what came before, and goes on
// trying while NATS is away. If ctx ends first, the message is left for
// another worker, and stored is false.
func (q *Queue) settle(ctx context.Context, msg *nats.Msg, o Outcome) (stored bool) {
	if faultpoint.On {
		faultpoint.Reached("before store: " + o.String())
	}
	err := q.storeNext(ctx, msg, o)
	if err != nil {
		err = q.storeAgain(ctx, msg, o, err)
	}
	if err != nil {
		q.log.Warn("left a message for another worker", zap.Error(err))
		return false
	}
	if faultpoint.On {
		faultpoint.Reached("before ack: " + o.String())
	}
	switch o.verdict {
	case abandon:
	case handBack:
		err = msg.Nak()
	case stayed:
		err = msg.NakWithDelay(o.wait)
	default:
		err = msg.Ack()
	}
	if err != nil {
		q.log.Warn("cannot acknowledge; it will be handed out again", zap.Error(err))
	}
	return true
}

// storeAgain goes on trying after a failure. Only then it is worth a policy.
func (q *Queue) storeAgain(ctx context.Context, msg *nats.Msg, o Outcome, failed error) error {
	return backoff.RetryNotify(func() (err error) {
		if err, failed = failed, nil; err != nil {
			return err
		}
		return q.storeNext(ctx, msg, o)
	}, backoff.WithContext(outage(), ctx), func(err error, next time.Duration) {
		q.log.Warn("cannot store an outcome; trying again", zap.Error(err), zap.Duration("next_try", next))
	})
}

// storeNext stores what an outcome leaves behind, if anything: what comes next,
// and the ledger's record of what was. Both are under way at the same time.
func (q *Queue) storeNext(ctx context.Context, msg *nats.Msg, o Outcome) error {
	next := nextOf(msg, o)
	switch {
	case next.Msg == nil && o.record == nil:
		return nil
	case next.Msg == nil:
		return q.recorder.keep(ctx, keyed{Msg: entry(*o.record)})
	case o.record == nil:
		return q.storeAll(ctx, []keyed{next})
	}
	return q.storeAll(ctx, []keyed{next, {Msg: entry(*o.record)}})
}

// nextOf is what an outcome makes of a message.
func nextOf(msg *nats.Msg, o Outcome) keyed {
	switch {
	case o.verdict == park:
		return hopTo(o.delivery, retrySubject(rungFor(time.Until(o.delivery.Due)), o.delivery.Channel))
	case o.verdict == isolated:
		return hopTo(o.delivery, aloneSubject(o.delivery.Channel))
	case o.verdict == isolateEvent:
		return keyed{movedEvent(msg, aloneSubject(events)), keyOf(msg)}
	case o.verdict == deferEvent:
		return keyed{movedEvent(msg, eventsCrowd()), keyOf(msg)}
	case o.verdict == bury && o.delivery.Channel == "":
		return keyed{deadEvent(msg, o.death), keyOf(msg)}
	case o.verdict == bury:
		return keyed{deadDelivery(o.delivery, o.death), keyOf(msg)}
	}
	return keyed{}
}

// keyOf is the idempotency key of what a message becomes: one for each message
// there ever is. The time tells a stream from one that is made anew in its
// place, whose sequences begin again.
func keyOf(msg *nats.Msg) string {
	meta, err := msg.Metadata()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", meta.Stream, meta.Sequence.Stream, meta.Timestamp.UnixNano())
}
