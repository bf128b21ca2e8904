package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// NewSelf names this process. Its id is fit for a subject, and another one for
// each start.
func NewSelf(role, version string) Self {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	token := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '-'
	}, host)
	return Self{
		Process: fmt.Sprintf("%s-%s-%s", token[:min(len(token), 40)], role, hex.EncodeToString(random)),
		Host:    host, Version: version, Role: role, Started: time.Now().UTC(),
	}
}

// Store keeps a process' newest report; *queue.Queue is one.
type Store interface {
	StoreFleetReport(ctx context.Context, process string, report []byte) error
}

// Reporter reports a process for as long as it lives.
type Reporter struct {
	Self  Self
	From  prometheus.Gatherer // the metrics of the process: all that it has to say
	To    Store
	Every time.Duration // 0: Every
	Log   *zap.Logger
}

// storeTimeout bounds the wait for a report to be stored. The next one says
// all that it would have said.
const storeTimeout = 5 * time.Second

// again is how soon a report that could not be stored is made anew: a process
// that starts beside its servers is seen soon.
const again = time.Second

// Start reports until the returned function is called, which sends the last
// report: that the process has left.
func (r Reporter) Start() (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	return func() {
		cancel()
		running.Wait()
		last, done := context.WithTimeout(context.Background(), storeTimeout)
		defer done()
		r.report(last, Left)
	}
}

func (r Reporter) run(ctx context.Context) {
	every := r.Every
	if every == 0 {
		every = Every
	}
	for ctx.Err() == nil {
		attempt, done := context.WithTimeout(ctx, storeTimeout)
		wait := every
		if !r.report(attempt, Working) {
			wait = min(every, again)
		}
		done()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// report says that the process is in a state. A report that cannot be stored is
// no reason to stop working.
func (r Reporter) report(ctx context.Context, state State) (stored bool) {
	numbers, err := gather(r.From)
	if err != nil {
		r.Log.Warn("cannot report to the fleet", zap.Error(err))
		return false
	}
	if numbers.draining && state == Working {
		state = Draining
	}
	text, err := json.Marshal(Report{
		Self: r.Self, At: time.Now().UTC(), State: state,
		Channels: numbers.channels, Events: numbers.events, Servers: numbers.servers,
	})
	if err == nil {
		err = r.To.StoreFleetReport(ctx, r.Self.Process, text)
	}
	if err != nil {
		r.Log.Debug("cannot report to the fleet; the next report says the same", zap.Error(err))
	}
	return err == nil
}
