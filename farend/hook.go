package farend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// longestRequest is the most that a far end reads of a request: far above any
// event, so that what is larger is a mistake (413).
const longestRequest = 1 << 20

// Hook is a webhook receiver. Every path below its URL takes a POST and
// answers 200, unless Verify or Answer say otherwise.
type Hook struct {
	log      *Log
	server   *webServer
	mu       sync.Mutex
	keys     map[string]string // by path: a secret or a public key
	scripted script            // by path
	decide   func(Received) HookAnswer
}

// NewHook starts a receiver on a free port of 127.0.0.1.
func NewHook(log *Log) (*Hook, error) {
	h := &Hook{log: log, keys: map[string]string{}}
	server, err := serveWeb(h)
	if err != nil {
		return nil, fmt.Errorf("start webhook receiver: %w", err)
	}
	h.server = server
	return h, nil
}

// URL is where the receiver listens, without a path.
func (h *Hook) URL() string { return h.server.url }

// Close ends the receiver and whatever it is answering.
func (h *Hook) Close() error { return h.server.close() }

// Verify makes a path refuse what is not JSON (400) or not signed (401), after
// Standard Webhooks 1.0.0: key is the secret (whsec_) of v1 signatures or the
// public key (whpk_) of v1a signatures.
func (h *Hook) Verify(path, key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys[path] = key
}

// Answer sets what the next requests to a path are answered, one each. After
// that it is 200 again.
func (h *Hook) Answer(path string, answers ...HookAnswer) { h.scripted.add(path, answers) }

// Decide makes the receiver ask what to answer where no answer is set. The
// script sees the request without a Status, and is called from many goroutines.
func (h *Hook) Decide(script func(Received) HookAnswer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.decide = script
}

// ServeHTTP takes one delivery.
func (h *Hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, refusal := h.take(r)
	received := Received{
		At:       time.Now(),
		Channel:  "webhook",
		Delivery: r.Header.Get("Webhook-Id"),
		To:       r.URL.Path,
		Title:    textMember(body, "event_type"),
		Text:     string(body),
		Raw:      rawRequest(r, body),
	}
	answer := h.answerTo(received, refusal)
	received.Status = answer.label()
	h.log.Record(received)
	answer.write(w, r)
}

func (h *Hook) answerTo(received Received, refusal *HookAnswer) HookAnswer {
	if refusal != nil {
		return *refusal
	}
	if scripted, ok := h.scripted.next(received.To); ok {
		return scripted
	}
	h.mu.Lock()
	decide := h.decide
	h.mu.Unlock()
	if decide != nil {
		return decide(received)
	}
	return HookAnswer{Status: http.StatusOK}
}

// take reads the request and says how it is refused, if it is.
func (h *Hook) take(r *http.Request) ([]byte, *HookAnswer) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, longestRequest))
	if err != nil {
		return body, &HookAnswer{Status: http.StatusRequestEntityTooLarge}
	}
	if r.Method != http.MethodPost {
		return body, &HookAnswer{Status: http.StatusMethodNotAllowed}
	}
	h.mu.Lock()
	key, verify := h.keys[r.URL.Path]
	h.mu.Unlock()
	switch {
	case verify && !isJSON(r.Header, body):
		return body, &HookAnswer{Status: http.StatusBadRequest}
	case verify && !signedWith(key, r.Header, body, time.Now()):
		return body, &HookAnswer{Status: http.StatusUnauthorized}
	}
	return body, nil
}

// webServer is an HTTP server on a free port of 127.0.0.1.
type webServer struct {
	server *http.Server
	url    string
	ended  chan struct{}
}

func serveWeb(handler http.Handler) (*webServer, error) { return serveWebTLS(handler, nil) }

// serveWebTLS serves HTTPS, with HTTP/2, if there is a TLS configuration.
func serveWebTLS(handler http.Handler, security *tls.Config) (*webServer, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &webServer{
		server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, TLSConfig: security},
		url:    "http://" + listener.Addr().String(),
		ended:  make(chan struct{}),
	}
	serve := s.server.Serve
	if security != nil {
		s.url = "https://" + listener.Addr().String()
		s.server.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	go func() {
		defer close(s.ended)
		_ = serve(listener) // ends by close
	}()
	return s, nil
}

func (s *webServer) close() error {
	err := s.server.Close()
	<-s.ended
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func rawRequest(r *http.Request, body []byte) string {
	var raw strings.Builder
	fmt.Fprintf(&raw, "%s %s %s\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.Proto, r.Host)
	_ = r.Header.Write(&raw) // a strings.Builder takes everything
	raw.WriteString("\r\n")
	raw.Write(body)
	return raw.String()
}
