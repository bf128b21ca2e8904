package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin/bench/sink"
	"tocsin/schema"
)

// bodySize is the size of an event's data in bytes.
const bodySize = 600

// sampleType is the type of all events.
const sampleType = "stack.redeploy.ok"

// event is the next event for an account. Its data says when it was made, for
// the sink to tell how long it was on its way.
func (s *Site) event(id int, account string, now time.Time) schema.Event {
	return schema.Event{
		ID: strconv.Itoa(id), Source: "/bench", Type: sampleType, Account: account, Time: now,
		Subject: "stack/5999b763", StackName: "Harbour", Data: body(now),
	}
}

// body is an event's data: what the platform's schema asks for, when it was
// made, and as much more as makes up the size.
func body(now time.Time) []byte {
	data := make([]byte, 0, bodySize)
	data = append(data, `{"`+sink.SentMember+`":`...)
	data = strconv.AppendInt(data, now.UnixNano(), 10)
	data = append(data, `,"uid":"5999b763","name":"Harbour","environment":"production","note":"`...)
	data = append(data, strings.Repeat("x", bodySize-len(data)-2)...)
	return append(data, `"}`...)
}

// publishers is how many events are published at the same time.
const publishers = 32

// burst publishes n events as fast as they are stored, to the accounts in turn.
func (s *Site) burst(ctx context.Context, n int, to []string) error {
	return s.each(n, func(i, id int) error { return s.publish(ctx, id, to[i%len(to)]) })
}

// errBehind says that a producer could not keep its pace, so that the figures
// would be about another load.
var errBehind = errors.New("the producer could not keep its pace; is the machine busy?")

// paced publishes n events at a steady rate, to the accounts in turn. Each is
// published at its time, whatever becomes of those before it.
func (s *Site) paced(ctx context.Context, n int, rate float64, to []string) error {
	began := time.Now()
	spacing := time.Duration(float64(time.Second) / rate)
	err := s.each(n, func(i, id int) error {
		time.Sleep(time.Until(began.Add(time.Duration(i) * spacing)))
		return s.publish(ctx, id, to[i%len(to)])
	})
	if wanted := time.Duration(n) * spacing; err == nil && time.Since(began) > wanted+wanted/20+100*time.Millisecond {
		return fmt.Errorf("%d events at %.0f/s took %s: %w", n, rate, time.Since(began).Round(time.Millisecond), errBehind)
	}
	return err
}

// each calls do for 0 to n-1 in the order of i, from several goroutines, with
// an id that is used once.
func (s *Site) each(n int, do func(i, id int) error) error {
	first := int(s.published.Add(int64(n))) - n + 1
	var group sync.WaitGroup
	failed := make(chan error, publishers)
	next := make(chan int)
	for range publishers {
		group.Go(func() {
			var err error
			for i := range next {
				if err == nil {
					err = do(i, first+i)
				}
			}
			failed <- err
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) publish(ctx context.Context, id int, account string) error {
	_, _, err := s.queue.PublishEvent(ctx, s.event(id, account, time.Now()))
	return err
}

// usualPatience is longer than a message stays with a worker that has died.
const usualPatience = 75 * time.Second

// arrived waits until the classes have n deliveries together, and returns what
// each has then. More than n, or fewer for too long, is an error.
func (s *Site) arrived(ctx context.Context, n int, classes ...string) (map[string]sink.Counts, error) {
	for before, since := -1, time.Now(); ; time.Sleep(5 * time.Millisecond) {
		counts, err := s.sink.Counts(ctx)
		if err != nil {
			return nil, err
		}
		delivered := 0
		for _, class := range classes {
			delivered += counts[class].Delivered
		}
		switch {
		case delivered == n:
			return counts, nil
		case delivered > n:
			return nil, fmt.Errorf("%d deliveries arrived of %d that were made", delivered, n)
		case delivered > before:
			before, since = delivered, time.Now()
		case time.Since(since) > s.patience:
			return nil, fmt.Errorf("lost %d of %d deliveries: nothing arrives any more%s",
				n-delivered, n, s.processes["worker"].lastWords())
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// settled waits until nothing waits for its first attempt any more.
func (s *Site) settled(ctx context.Context) error {
	for since := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		waiting := false
		for d, err := range s.queue.Waiting(ctx) { // those that wait for their first attempt come first
			if err != nil {
				return err
			}
			waiting = d.Hops == 0
			break
		}
		if !waiting {
			return nil
		}
		if time.Since(since) > s.patience {
			return errors.New("deliveries wait for their first attempt, and none is made")
		}
	}
}

// flow publishes events at a steady rate until it is told to stop, and says then
// how many it has published.
func (s *Site) flow(ctx context.Context, rate float64, people []account) (stop func() (published int, err error)) {
	stopping, done := make(chan struct{}), make(chan error, 1)
	names, published := namesOf(people), 0
	go func() {
		tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer tick.Stop()
		for {
			select {
			case <-stopping:
				done <- nil
				return
			case <-tick.C:
			}
			id := int(s.published.Add(1))
			if err := s.publish(ctx, id, names[id%len(names)]); err != nil {
				done <- err
				return
			}
			published++
		}
	}()
	return func() (int, error) {
		close(stopping)
		err := <-done
		return published, err
	}
}
