package ios

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"tocsin/channels"
)

// conn is one HTTP/2 connection. All but client is guarded by its pool's mutex.
type conn struct {
	client *http.ClientConn

	open      int    // streams
	announced int    // streams that the server allows at a time
	proven    bool   // it has carried a push that Apple took
	over      bool   // takes no more pushes
	goneAway  bool   // by GOAWAY
	reason    string // of GOAWAY
}

// room is how many more pushes the connection takes. Apple allows one stream
// until it has seen a valid push ("Sending notification requests to APNs").
func (c *conn) room() int {
	if c.over {
		return 0
	}
	if !c.proven {
		return min(1, c.announced) - c.open
	}
	return c.announced - c.open
}

const (
	// longestAnswer is many times what Apple sends; more comes from somebody else.
	longestAnswer = 16 << 10

	// silence after which the server is asked for a sign of life, and signOfLife
	// how long that may take: together less than an attempt may take, so that
	// those that follow find another connection.
	silence    = 15 * time.Second
	signOfLife = 4 * time.Second

	// stuckWrite is when a connection that takes no byte is given up.
	stuckWrite = 10 * time.Second

	dialTimeout    = 15 * time.Second
	addressTimeout = 5 * time.Second

	// unannounced is the number of streams of a server that names none.
	unannounced = 100
)

// dial connects to one of the server's addresses, drawn by lot: Apple asks for
// connections to be spread ("Sending notification requests to APNs").
func dial(ctx context.Context, host, port string, secure *tls.Config) (*tls.Conn, error) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	secure = secure.Clone()
	secure.ServerName, secure.NextProtos = host, []string{http2.NextProtoTLS}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: addressTimeout}, Config: secure}
	for _, address := range addresses {
		var made net.Conn
		if made, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, port)); err != nil {
			continue
		}
		connected := made.(*tls.Conn)
		if connected.ConnectionState().NegotiatedProtocol == http2.NextProtoTLS {
			return connected, nil
		}
		_ = connected.Close() // of no use
		err = errors.New("the server does not speak HTTP/2")
	}
	return nil, err
}

// speak makes an HTTP/2 client of a connection. What a transport dials and
// encrypts itself it lets nobody listen to, so it is told that this connection
// is not encrypted.
func speak(ctx context.Context, over net.Conn, settings http.HTTP2Config) (*http.ClientConn, error) {
	transport := &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return over, nil },
		Protocols:          new(http.Protocols),
		HTTP2:              &settings,
		DisableCompression: true,
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	return transport.NewClientConn(ctx, "http", over.RemoteAddr().String())
}

// readWhole takes the body off the connection. What is not JSON is left out,
// so that the status at least is read.
func readWhole(answer *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	if closed := answer.Body.Close(); err == nil {
		err = closed
	}
	answer.Body = io.NopCloser(bytes.NewReader(nil))
	if json.Valid(body) {
		answer.Body = io.NopCloser(bytes.NewReader(body))
	}
	return body, err
}

// failureOfStream says what it means that no answer came. What the server has
// not looked at can go again at once; whether it has seen the rest, nobody
// knows, and the collapse id makes a second one replace the first.
func failureOfStream(ctx context.Context, goneAway bool, cause error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("wait for APNs: %w", cause)
	}
	if wasRefused(cause) || goneAway && !wasCut(cause) {
		return &channels.Failure{Wait: resendWait, Err: fmt.Errorf("APNs has not looked at the push: %w", cause)}
	}
	return fmt.Errorf("lose connection to APNs before its answer: %w", cause)
}

// wasRefused tells the code that guarantees that nothing was processed
// (RFC 9113, 8.7).
func wasRefused(err error) bool {
	reset, ok := errors.AsType[http2.StreamError](err)
	return ok && reset.Code == http2.ErrCodeRefusedStream
}

// wasCut tells a connection that ended before the streams that GOAWAY had
// promised an answer; the others are ended by GOAWAY itself. Go's client has
// no exported type for that, only this text.
func wasCut(err error) bool {
	_, network := errors.AsType[net.Error](err)
	_, reset := errors.AsType[http2.StreamError](err)
	return network || reset || errors.Is(err, io.ErrUnexpectedEOF) ||
		strings.HasPrefix(err.Error(), "http2: server sent GOAWAY and closed the connection")
}
