package outbound

import (
	"net"
	"net/http"
	"sync"
)

// connections counts a server's connections and tells when all are closed.
type connections struct {
	mu     sync.Mutex
	opened int
	open   int
	none   chan struct{}
}

func (c *connections) note(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.opened++
		c.open++
	case http.StateClosed, http.StateHijacked:
		if c.open--; c.open == 0 && c.none != nil {
			close(c.none)
			c.none = nil
		}
	}
}

// closed is closed once there is no open connection.
func (c *connections) closed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	none := make(chan struct{})
	if c.open == 0 {
		close(none)
		return none
	}
	c.none = none
	return none
}
