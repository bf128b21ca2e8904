package farend

import (
	"encoding/json"

	"golang.org/x/net/http2"
)

// Disconnect drops all connections without a word.
func (a *APNs) Disconnect() {
	for _, c := range a.connections() {
		c.abort()
	}
}

// Mute makes the present connections half-open: they take everything and
// answer nothing more, PING included.
func (a *APNs) Mute() {
	for _, c := range a.connections() {
		c.mute()
	}
}

// LimitStreams announces another limit on all connections, now and later.
// Apple lowers it for providers whose pushes it refuses.
func (a *APNs) LimitStreams(limit int) {
	a.mu.Lock()
	a.limit = limit
	a.mu.Unlock()
	for _, c := range a.connections() {
		c.announce(limit)
	}
}

// Hold takes pushes without looking at them, until GoAway refuses them or
// Release processes them.
func (a *APNs) Hold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holding = true
}

// Release ends Hold.
func (a *APNs) Release() {
	a.mu.Lock()
	a.holding = false
	a.mu.Unlock()
	for _, c := range a.connections() {
		c.release()
	}
}

// Held counts the pushes that Hold keeps.
func (a *APNs) Held() int {
	held := 0
	for _, c := range a.connections() {
		held += c.heldStreams()
	}
	return held
}

// GoAway ends all connections as Apple does: GOAWAY names the last push that
// was looked at, with the reason as JSON if there is one. What is held is
// refused by that, and not recorded; the others are still answered.
func (a *APNs) GoAway(reason string) {
	a.mu.Lock()
	a.holding = false
	a.mu.Unlock()
	for _, c := range a.connections() {
		c.goAway(reason)
	}
}

// RefuseConnections answers the first push of each new connection by GOAWAY
// with this reason, as Apple does where the certificate is wrong. An empty one
// ends that.
func (a *APNs) RefuseConnections(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusal = reason
}

func (a *APNs) connections() []*apnsConn {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*apnsConn, 0, len(a.conns))
	for c := range a.conns {
		all = append(all, c)
	}
	return all
}

func goAwayText(reason string) []byte {
	if reason == "" {
		return nil
	}
	text, _ := json.Marshal(map[string]string{"reason": reason}) // a text encodes
	return text
}

func (c *apnsConn) abort() { _ = c.plain.Close() } // dropping is the purpose

func (c *apnsConn) mute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = true
}

func (c *apnsConn) announce(limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = limit
	if c.proven {
		c.setLimit(limit)
	}
}

func (c *apnsConn) release() {
	c.mu.Lock()
	held := c.held
	c.held = nil
	c.mu.Unlock()
	for _, s := range held {
		c.process(s)
	}
}

func (c *apnsConn) heldStreams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

func (c *apnsConn) goAway(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.held {
		delete(c.streams, s.id)
	}
	c.held, c.leaving = nil, true
	last := c.processed
	c.write(func(f *http2.Framer) error { return f.WriteGoAway(last, http2.ErrCodeNo, goAwayText(reason)) })
	c.closeIfDone()
}
