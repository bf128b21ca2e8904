package queue

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// background paces work that can wait, which is deliveries beyond an account's
// share and retries, by what it does to work that cannot: while first attempts
// and events are handed out as soon as usual, and this process has a processor
// free for them, it may go faster and faster, and when they begin to wait it gives
// way, as transfers by LEDBAT do (RFC 6817).
//
// What is compared is one way, the time from when a message was stored until it
// was handed out, so that what the clocks of server and worker differ by is in
// the usual time too, and falls out (section 2.4.2 there). It tells of the server
// and the way to it. A processor is waited for at each of the steps behind that as
// well, and so it counts by itself.
type background struct {
	line      chan struct{}        // whoever is in it has the next turn
	processor func() time.Duration // how long it was waited for since the last call

	mu    sync.Mutex
	usual minimum
	heard time.Time // when a message of those that cannot wait was handed out last

	rate  float64 // deliveries a second
	found bool    // rate has been too much once
	round round
	late  float64   // how late others were in the round before; 1: as late as they may be
	next  time.Time // when the next may begin
}

// round is what the rate is judged by.
type round struct {
	began time.Time
	delay time.Duration // the least by which a message of others waited longer than usual
	used  float64       // deliveries that have begun
}

const (
	// target is by how much longer than usual messages of others may wait.
	target = 5 * time.Millisecond
	// processorTarget is how long may be waited for a processor, which is 0.02 to
	// 0.05 ms where there is little to do. With it others' deliveries are over in
	// 6 ms at the median beside an event for 10,000, and without in 30 to 70
	// (tocsin bench run large-account).
	processorTarget = 500 * time.Microsecond
	// firstRate, in deliveries a second, is what two cores carry beside others.
	firstRate = 1000
	// leastRate is left to what can wait, whatever else there is to do.
	leastRate = 200
	// shortestRound is how long the rate stays as it is.
	shortestRound = 50 * time.Millisecond
	// catchUp is how far turns may lag behind and still be made up for: timers are
	// a tenth of a millisecond late, which is a turn at 10,000 a second.
	catchUp = 5 * time.Millisecond
	// quiet is after how long without others' messages there is nobody to give
	// way to.
	quiet = 500 * time.Millisecond
)

func newBackground(processor func() time.Duration) *background {
	return &background{line: make(chan struct{}, 1), processor: processor, rate: firstRate}
}

// handedOut looks at how long a message had lain that was handed out at once, or
// as soon as this worker could. One that is handed out again tells nothing.
func (b *background) handedOut(msg *nats.Msg, now time.Time) {
	meta, err := msg.Metadata()
	if err == nil && meta.NumDelivered == 1 {
		b.lay(now.Sub(meta.Timestamp), now)
	}
}

func (b *background) lay(age time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delay := age - b.usual.of(age, now)
	if b.round.began.IsZero() || now.Sub(b.heard) > quiet {
		b.round = round{began: now, delay: delay}
	}
	b.heard, b.round.delay = now, min(b.round.delay, delay)
	if now.Sub(b.round.began) >= shortestRound {
		b.judge(now)
	}
}

// judge sets the rate by how far others are from being as late as they may be, and
// by how much later they have become, as PIE does in routers (RFC 8033, section
// 4.2). A rate that was not used is not raised: that nobody had to wait beside less
// says nothing about more.
func (b *background) judge(now time.Time) {
	late := float64(b.round.delay)/float64(target) + float64(b.processor())/float64(processorTarget)
	off, grown := late-1, late-b.late
	change := -0.03*off - 0.15*grown
	if b.found = b.found || off > 0; !b.found {
		change = 0.14 // twice as much in a quarter of a second
	}
	if change < 0 || b.round.used > b.rate/2*now.Sub(b.round.began).Seconds() {
		b.rate = max(b.rate*math.Exp(min(max(change, -0.3), 0.14)), leastRate)
	}
	b.late, b.round = late, round{began: now, delay: math.MaxInt64}
}

// giveWay waits before work that is worth n deliveries, or until ctx is done.
func (b *background) giveWay(ctx context.Context, n int) {
	select {
	case b.line <- struct{}{}: // or all who wait would keep to the rate of when they came
		defer func() { <-b.line }()
	case <-ctx.Done():
		return
	}
	wait := b.turn(n, time.Now())
	if wait <= 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
}

// turn is how long to wait for n deliveries' worth of work.
func (b *background) turn(n int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.heard) > quiet {
		return 0
	}
	if earliest := now.Add(-catchUp); b.next.Before(earliest) {
		b.next = earliest
	}
	wait := max(b.next.Sub(now), 0)
	b.next = b.next.Add(time.Duration(float64(n) / b.rate * float64(time.Second)))
	b.round.used += float64(n)
	return wait
}

// Pace is at how many deliveries a second what can wait is let through beside
// others' messages, or 0 while there are none to give way to.
func (q *Queue) Pace() float64 {
	b := q.background
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.heard) > quiet {
		return 0
	}
	return b.rate
}

// minimum is the least value of the last five to ten minutes, as long as RFC 6817
// keeps base delays: in less, a backlog of others would become the usual.
type minimum struct {
	this, last time.Duration
	began      time.Time
}

// of takes a value in, and returns the least.
func (m *minimum) of(value time.Duration, now time.Time) time.Duration {
	switch {
	case m.began.IsZero():
		m.this, m.last, m.began = value, value, now
	case now.Sub(m.began) > 5*time.Minute:
		m.this, m.last, m.began = value, m.this, now
	}
	m.this = min(m.this, value)
	return min(m.this, m.last)
}
