package ios

import (
	"fmt"
	"sync"
	"time"

	"tocsin/channels"
)

// waveLength is how many devices Apple may refuse, none accepted in between,
// before it is the environment or the topic that is wrong and not they.
const waveLength = 10

// guard keeps the channel from asking Apple again and again what it has
// refused on account of the installation: Apple lowers the number of streams
// for that, then disconnects. After a pause, one push probes.
type guard struct {
	now func() time.Time

	mu      sync.Mutex
	why     *channels.Failure // nil: all is well
	until   time.Time         // of the pause
	probing bool
	refused map[string]struct{} // device tokens refused since the last one was accepted
}

// enter says whether to push now. Whoever may has to report.
func (g *guard) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == nil {
		return nil
	}
	wait := g.until.Sub(g.now())
	if wait <= 0 && !g.probing {
		g.probing = true
		return nil
	}
	return &channels.Failure{
		Kind: channels.Misconfigured, Status: g.why.Status, Wait: max(wait, time.Second),
		Err: fmt.Errorf("push is not tried, because before, %w", g.why.Err),
	}
}

// accept ends a pause and a wave.
func (g *guard) accept() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.why, g.probing, g.refused = nil, false, nil
}

// refuse takes what came of a push, and returns what it means in the light of
// the others. about is the device token if Apple blames that.
func (g *guard) refuse(failure *channels.Failure, about string) *channels.Failure {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	if about != "" && g.isWave(about) {
		failure = waveOf(failure)
	}
	switch {
	case failure.Kind == channels.Misconfigured:
		g.why, g.until = failure, g.now().Add(pause)
	case failure.Kind == channels.Temporary:
		if g.why != nil {
			g.until = g.now().Add(pause) // the probe has told nothing
		}
	case len(g.refused) < waveLength:
		g.why = nil // Apple looks at devices again
	}
	return failure
}

func (g *guard) isWave(token string) bool {
	if g.refused == nil {
		g.refused = map[string]struct{}{}
	}
	if len(g.refused) < waveLength {
		g.refused[token] = struct{}{}
	}
	return len(g.refused) >= waveLength
}

func waveOf(failure *channels.Failure) *channels.Failure {
	return &channels.Failure{
		Kind: channels.Misconfigured, Status: failure.Status, Wait: pause,
		Err: fmt.Errorf("APNs answers %s to %d devices and has accepted none in between: environment or topic is wrong, check TOCSIN_APNS_URL and TOCSIN_APNS_TOPIC",
			failure.Status, waveLength),
	}
}
