package email

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// idleTime is how long a session is kept for the next mail. Servers keep it
	// for five minutes at most (RFC 5321 section 4.5.3.2.7) and count it against
	// the client meanwhile.
	idleTime = 30 * time.Second

	// farewellTime is what the server gets to answer QUIT.
	farewellTime = 5 * time.Second
)

// pool keeps sessions between mails, since connection, TLS and login cost a
// dozen round trips.
type pool struct {
	dial     func(context.Context) (*session, error)
	idleTime time.Duration
	slots    chan struct{} // one for each session in use

	mu   sync.Mutex
	idle []*session
}

// errSessionsInUse says that the server has heard nothing of a mail, because others
// took all the time there was.
var errSessionsInUse = errors.New("all sessions with it were in use")

func newPool(dial func(context.Context) (*session, error), size int) *pool {
	return &pool{dial: dial, idleTime: idleTime, slots: make(chan struct{}, size)}
}

// take waits for a slot and gives a session, which the server may have closed
// if it was used before. Every session taken must be given back.
func (p *pool) take(ctx context.Context) (*session, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errSessionsInUse, context.Cause(ctx))
	}
	if s := p.pop(); s != nil {
		return s, nil
	}
	s, err := p.dial(ctx)
	if err != nil {
		<-p.slots
	}
	return s, err
}

// give returns a session, which is kept if it can still be used.
func (p *pool) give(s *session) {
	defer func() { <-p.slots }()
	if s.broken {
		s.drop()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, s)
	s.expiry = time.AfterFunc(p.idleTime, func() { p.expire(s) })
}

// pop prefers the newest, so that the others can expire.
func (p *pool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	last := len(p.idle) - 1
	s := p.idle[last]
	p.idle = slices.Delete(p.idle, last, last+1)
	s.expiry.Stop()
	return s
}

func (p *pool) expire(s *session) {
	p.mu.Lock()
	i := slices.Index(p.idle, s)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		s.quit()
	}
}

// session is a connection to the mail server that has said hello, and whom it
// is from.
type session struct {
	smtp      *smtp.Client
	raw       net.Conn // below TLS, so that closing it waits for nothing
	pipelines bool     // the server reads commands ahead (RFC 2920)
	utf8      bool     // the server takes addresses beyond ASCII (RFC 6531)

	sent       int  // mails begun
	unfinished bool // the last one was refused: RSET before the next
	broken     bool // the dialogue stands at an unknown point
	expiry     *time.Timer
}

// guarded closes the connection under do when ctx ends, since the library's
// calls take no context.
func (s *session) guarded(ctx context.Context, do func()) {
	unguard := context.AfterFunc(ctx, s.drop)
	do()
	if !unguard() {
		s.broken = true
	}
}

func (s *session) drop() { _ = s.raw.Close() } // nothing is lost with it

func (s *session) quit() {
	defer s.drop()
	if s.smtp.UpdateDeadline(farewellTime) == nil {
		_ = s.smtp.Quit() // politeness; the server forgets us either way
	}
}
