package sink

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server receives webhooks and is steered by a Client.
type Server struct {
	mu      sync.RWMutex
	classes map[string]*class
}

// NewServer makes a server that has seen nothing yet.
func NewServer() *Server { return &Server{classes: map[string]*class{}} }

// ServeHTTP is a webhook endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c := s.class(name)
	b := c.enter()
	defer c.leave()
	body, err := io.ReadAll(r.Body)
	if err != nil { // the client has gone
		return
	}
	if b.Hang {
		<-r.Context().Done()
		return
	}
	time.Sleep(b.Delay)
	status := max(b.Status, http.StatusOK)
	if status < 300 {
		c.accept(r.Header.Get("Webhook-Id"), arrived, sentAt(body))
	}
	if b.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(b.RetryAfter))
	}
	w.WriteHeader(status)
}

// SentMember is the member of an event's data that holds when the event was
// published, in nanoseconds of the epoch.
const SentMember = "sent"

func sentAt(body []byte) time.Time {
	_, after, found := bytes.Cut(body, []byte(`"`+SentMember+`":`))
	if !found {
		return time.Time{}
	}
	end := bytes.IndexAny(after, ",}")
	if end < 0 {
		return time.Time{}
	}
	ns, err := strconv.ParseInt(string(after[:end]), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func (s *Server) class(name string) *class {
	s.mu.RLock()
	c := s.classes[name]
	s.mu.RUnlock()
	if c != nil {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c = s.classes[name]; c == nil {
		c = &class{seen: map[uint64]struct{}{}}
		s.classes[name] = c
	}
	return c
}

func (s *Server) all() map[string]*class {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[string]*class, len(s.classes))
	for name, c := range s.classes {
		all[name] = c
	}
	return all
}
