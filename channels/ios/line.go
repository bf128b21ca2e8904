package ios

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// line is one HTTP/2 connection to a push server, found again when it breaks.
// It counts its streams itself: Apple allows one until it has seen a valid
// push and names the limit then, and Go's transport, asked for more than the
// limit, opens connections without end or stalls (golang/go#70809).
type line struct {
	transport *http.Transport
	address   string
	gate      gate
	dialing   chan struct{} // holds one: who dials

	mu     sync.Mutex
	conn   *http.ClientConn
	proven bool // conn has carried a push that Apple took
}

const (
	// longestAnswer is many times what Apple sends; more comes from somebody else.
	longestAnswer = 16 << 10

	// silence after which the server is asked for a sign of life.
	silence = time.Minute

	// stuckWrite is when a connection that takes no byte is given up.
	stuckWrite = 15 * time.Second
)

func newLine(server *url.URL, secure *tls.Config) *line {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	return &line{
		transport: &http.Transport{
			TLSClientConfig:    secure.Clone(),
			Protocols:          protocols,
			HTTP2:              &http.HTTP2Config{SendPingTimeout: silence, WriteByteTimeout: stuckWrite},
			DisableCompression: true,
		},
		address: net.JoinHostPort(server.Hostname(), cmp.Or(server.Port(), "443")),
		gate:    gate{limit: 1},
		dialing: make(chan struct{}, 1),
	}
}

// RoundTrip sends one push when the connection has room for it, and reads the
// whole answer.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := l.gate.enter(r.Context()); err != nil {
		return nil, fmt.Errorf("wait for a free stream: %w", err)
	}
	defer l.gate.leave()
	conn, err := l.connection(r.Context())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", l.address, err)
	}
	answer, err := conn.RoundTrip(r)
	if err == nil {
		err = readWhole(answer)
	}
	l.learn(conn, err == nil && answer.StatusCode == http.StatusOK)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// readWhole takes the body off the connection. What is not JSON is left out,
// so that the status at least is read.
func readWhole(answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	if closed := answer.Body.Close(); err == nil {
		err = closed
	}
	if !json.Valid(body) {
		body = nil
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// connection gives the one that works, or makes it.
func (l *line) connection(ctx context.Context) (*http.ClientConn, error) {
	select {
	case l.dialing <- struct{}{}:
		defer func() { <-l.dialing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	l.mu.Lock()
	old := l.conn
	l.mu.Unlock()
	if old != nil {
		if isAlive(old) {
			return old, nil
		}
		_ = old.Close() // it has broken already
	}
	conn, err := l.transport.NewClientConn(ctx, "https", l.address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.conn, l.proven = conn, false
	l.mu.Unlock()
	l.gate.resize(1)
	return conn, nil
}

// isAlive tells a connection that is full from one that takes no more.
func isAlive(conn *http.ClientConn) bool {
	return conn.Err() == nil && (conn.Available() > 0 || conn.InFlight() > 0)
}

// learn sets how many streams may be open from how the last one ended.
func (l *line) learn(conn *http.ClientConn, taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if conn != l.conn {
		return // of an older connection; the present one has its own limit
	}
	l.proven = l.proven || taken
	limit := 1
	if l.proven && isAlive(conn) {
		limit = max(limit, conn.Available()+conn.InFlight())
	}
	l.gate.resize(limit)
}
