package ios

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"tocsin/channels"
)

const (
	// mostConnections to one server, of one process.
	mostConnections = 4

	// patience is how long a push waits for a stream before another connection
	// is worth its making: many times the answer of a push.
	patience = 250 * time.Millisecond

	firstRedial   = time.Second
	longestRedial = time.Minute
)

// pool keeps the connections to one server. It counts streams itself, since
// Apple changes their number and Go's transport, asked for more, opens
// connections without end or stalls (golang/go#70809). It makes one connection
// at a time, and after a failure waits with all pushes together: Apple takes
// connecting often for an attack.
type pool struct {
	host, port string
	secure     *tls.Config
	settings   http.HTTP2Config
	provider   provider // nil with a certificate

	mu      sync.Mutex
	conns   []*conn // those that take pushes
	waiting []*waiter
	dialing bool
	redial  *backoff.ExponentialBackOff
	resting time.Time         // no connection is made before
	trouble *channels.Failure // of the last connection
}

// provider has the token that a push carries.
type provider interface {
	current() (string, error)
	// stepBack has another token in the place of one that came too early for Apple,
	// and says so; false: there is none.
	stepBack(refused string) (bool, error)
}

type waiter struct {
	since   time.Time
	granted chan grant // has room for one
}

type grant struct {
	conn *conn
	err  error
}

func newPool(server *url.URL, secure *tls.Config, provider provider) *pool {
	return &pool{
		host: server.Hostname(), port: cmp.Or(server.Port(), "443"),
		secure:   secure,
		provider: provider,
		settings: http.HTTP2Config{
			SendPingTimeout:  silence,
			PingTimeout:      signOfLife,
			WriteByteTimeout: stuckWrite,
			// Waits where the client has not put away the stream before yet.
			StrictMaxConcurrentRequests: true,
		},
		redial: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(firstRedial), backoff.WithMaxInterval(longestRedial), backoff.WithMaxElapsedTime(0)),
	}
}

// enter waits for a free stream. Whoever gets one must leave.
func (p *pool) enter(ctx context.Context) (*conn, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if c := p.free(); c != nil && len(p.waiting) == 0 {
		c.open++
		p.mu.Unlock()
		return c, nil
	}
	if wait := time.Until(p.resting); len(p.conns) == 0 && !p.dialing && wait > 0 {
		p.mu.Unlock()
		failure := *p.trouble
		failure.Wait = wait
		return nil, &failure
	}
	w := &waiter{since: time.Now(), granted: make(chan grant, 1)}
	p.waiting = append(p.waiting, w)
	p.grow()
	p.mu.Unlock()
	select {
	case g := <-w.granted:
		return g.conn, g.err
	case <-ctx.Done():
		p.giveUp(w)
		return nil, context.Cause(ctx)
	}
}

func (p *pool) giveUp(w *waiter) {
	p.mu.Lock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	if g := <-w.granted; g.conn != nil {
		p.leave(g.conn, false) // let in at the last moment
	}
}

// leave gives the stream back; taken says that Apple accepted a push on it.
func (p *pool) leave(c *conn, taken bool) {
	p.mu.Lock()
	c.open--
	if taken && !c.proven {
		c.proven = true
		p.redial.Reset()
	}
	p.admit()
	p.grow()
	finished := c.over && c.open == 0
	p.mu.Unlock()
	if finished {
		_ = c.client.Close() // nothing is under way
	}
}

// free is the connection with the most room.
func (p *pool) free() *conn {
	var best *conn
	for _, c := range p.conns {
		if c.room() > 0 && (best == nil || c.room() > best.room()) {
			best = c
		}
	}
	return best
}

func (p *pool) admit() {
	for len(p.waiting) > 0 {
		c := p.free()
		if c == nil {
			return
		}
		c.open++
		p.waiting[0].granted <- grant{conn: c}
		p.waiting = p.waiting[1:]
	}
}

// grow makes a connection if there is none, or another one if pushes have
// waited for long although each connection works.
func (p *pool) grow() {
	if p.dialing || len(p.waiting) == 0 || time.Now().Before(p.resting) {
		return
	}
	if len(p.conns) > 0 {
		unproven := func(c *conn) bool { return !c.proven }
		saturated := time.Since(p.waiting[0].since) >= patience && !slices.ContainsFunc(p.conns, unproven)
		if !saturated || len(p.conns) >= mostConnections {
			return
		}
	}
	p.dialing = true
	go p.connect() // ends by dialTimeout
}

// connect is not bound to the push that asked for it: others wait too.
func (p *pool) connect() {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	c := &conn{announced: unannounced}
	err := p.open(ctx, c)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing = false
	switch {
	case err != nil:
		p.rest(err)
	case c.over: // already
		p.rest(errClosed(c))
		_ = c.client.Close() // nothing was sent
	default:
		p.conns = append(p.conns, c)
		p.admit()
	}
}

func (p *pool) open(ctx context.Context, c *conn) error {
	secured, err := dial(ctx, p.host, p.port, p.secure)
	if err != nil {
		return err
	}
	if c.client, err = speak(ctx, &ear{Conn: secured, heard: p.listen(c)}, p.settings); err != nil {
		_ = secured.Close() // it is broken
	}
	return err
}

var errShortLived = errors.New("the server closed the connection before it took a push")

func errClosed(c *conn) error {
	if c.reason == "" {
		return errShortLived
	}
	return failureOfGoAway(c.reason)
}

// rest lets the server alone for a while after a connection that was of no
// use, and tells those who waited for it.
func (p *pool) rest(cause error) {
	wait := p.redial.NextBackOff()
	p.resting = time.Now().Add(wait)
	p.trouble = failureOfDial(net.JoinHostPort(p.host, p.port), wait, cause)
	if len(p.conns) > 0 {
		return
	}
	for _, w := range p.waiting {
		w.granted <- grant{err: p.trouble}
	}
	p.waiting = nil
}

func (p *pool) listen(c *conn) heard {
	return heard{
		limit: func(streams int) {
			p.mu.Lock()
			defer p.mu.Unlock()
			c.announced = streams
			p.admit()
		},
		goAway: func(reason string) {
			p.mu.Lock()
			defer p.mu.Unlock()
			c.goneAway, c.reason = true, cmp.Or(c.reason, reason)
			p.retire(c)
		},
		end: func(error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.retire(c)
		},
	}
}

// retire sends no more pushes over a connection; those under way go on, and the
// last of them closes it.
func (p *pool) retire(c *conn) {
	if c.over {
		return
	}
	c.over = true
	i := slices.Index(p.conns, c)
	if i < 0 {
		return // not in use yet: connect sees to it
	}
	p.conns = slices.Delete(p.conns, i, i+1)
	if c.open == 0 {
		_ = c.client.Close() // nothing is under way
	}
	if !c.proven {
		p.rest(errClosed(c))
		return
	}
	p.grow()
}
