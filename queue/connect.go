package queue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// Options say which NATS to speak to, and how.
type Options struct {
	URL   string // one server, or several by comma; tls:// asks for TLS
	Creds string // credentials file; empty: none
	CA    string // PEM file of the authority that signed the server's certificate; empty: the system's
	Cert  string // PEM file of the certificate that this client shows; empty: none
	Key   string // PEM file of the key of Cert
	Inbox string // first token of the subjects on which answers come; empty: _INBOX
	Name  string // how the server lists this connection

	// Partitions is how many streams hold first attempts, up to MaxPartitions: the
	// same number in the whole fleet; 0 means 1.
	Partitions int

	// Patient waits for a server that is not there yet, as daemons do. A
	// command that a person waits for fails instead.
	Patient bool

	Log *zap.Logger
}

// Queue is a connection to Tocsin's streams.
type Queue struct {
	conn *nats.Conn
	js   jetstream.JetStream
	log  *zap.Logger

	partitions []partition
	recorder   recorder
	background *background

	lost       atomic.Pointer[error] // how the connection broke, or could not be made, last
	unprepared atomic.Pointer[error] // why the streams have not been seen; nil: they have
	headless   headless
}

// Connect opens the connection. It is kept, and found again after an outage of
// any length, until Close.
func Connect(o Options) (*Queue, error) {
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("connect to NATS: a client certificate needs both a certificate and its key")
	}
	q := &Queue{log: o.Log, partitions: partitions(o.Partitions), background: newBackground(newProcessor().waited)}
	q.unprepared.Store(&errNotLooked)
	options := []nats.Option{
		nats.Name(o.Name),
		nats.MaxReconnects(-1), // the library's default gives up after 60 attempts
		nats.IgnoreAuthErrorAbort(),
		nats.RetryOnFailedConnect(o.Patient),
		nats.PingInterval(silence / 3),
		nats.MaxPingsOutstanding(2),
		nats.DrainTimeout(5 * time.Second),
		nats.CustomReconnectDelay(reconnectDelay()),
	}
	options = append(options, q.watchConnection()...)
	if o.Creds != "" {
		options = append(options, nats.UserCredentials(o.Creds))
	}
	if o.CA != "" {
		options = append(options, nats.RootCAs(o.CA))
	}
	if o.Cert != "" || o.Key != "" {
		options = append(options, nats.ClientCert(o.Cert, o.Key))
	}
	if o.Inbox != "" {
		options = append(options, nats.CustomInboxPrefix(o.Inbox))
	}
	conn, err := nats.Connect(o.URL, options...)
	if _, malformed := errors.AsType[*url.Error](err); malformed {
		err = errors.New("that is no URL") // the cause quotes it, with the password
	}
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", redactURL(o.URL), err)
	}
	js, err := jetstream.New(conn,
		jetstream.WithPublishAsyncMaxPending(8192),
		jetstream.WithPublishAsyncTimeout(publishTimeout),
	)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	q.conn, q.js = conn, js
	q.recorder.store = q.storeAll
	return q, nil
}

// Close flushes acknowledgements that are under way and closes the connection.
// Without a server there is nothing to wait for.
func (q *Queue) Close() {
	defer q.conn.Close()
	if !q.conn.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := q.conn.FlushWithContext(ctx); err != nil && q.conn.IsConnected() {
		q.log.Warn("acknowledgements may be lost", zap.Error(err))
	}
}

// Connected reports whether the server can be reached at this moment.
func (q *Queue) Connected() bool { return q.conn.IsConnected() }

// Unreachable is why the server cannot be reached at this moment: where it is
// looked for, and the last cause that is known. nil: it can be reached.
func (q *Queue) Unreachable() error {
	if q.conn.IsConnected() {
		return nil
	}
	err := fmt.Errorf("no NATS server answers at %s", redactURL(strings.Join(q.conn.Opts.Servers, ",")))
	if cause := q.lost.Load(); cause != nil {
		return fmt.Errorf("%w: %w", err, *cause)
	}
	// A server that closes the connection in good order leaves no cause.
	if cause := q.conn.LastError(); cause != nil {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// Unprepared is why the streams have not been seen to be there. nil: Setup has
// succeeded.
func (q *Queue) Unprepared() error {
	if cause := q.unprepared.Load(); cause != nil {
		return *cause
	}
	return nil
}

// silence is after how long a server that does not answer counts as gone, and
// another of the cluster is tried. The library's default is six minutes, in
// which everything in hand would be handed out again elsewhere.
const silence = ackWait

// publishTimeout bounds the wait for the server to confirm that a message is
// stored. It is long, because giving up early means publishing again.
const publishTimeout = 10 * time.Second

// outage is how to try again while a server is away: soon at first, every few
// seconds later, for ever.
func outage() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMultiplier(2),
		backoff.WithMaxInterval(3*time.Second),
		backoff.WithMaxElapsedTime(0),
	)
}

func reconnectDelay() nats.ReconnectDelayHandler {
	return func(attempts int) time.Duration {
		policy := outage()
		delay := policy.NextBackOff()
		for range min(attempts, 10) {
			delay = policy.NextBackOff()
		}
		return delay
	}
}

// watchConnection logs what happens to the connection, and keeps how it broke.
func (q *Queue) watchConnection() []nats.Option {
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				q.lost.Store(&err)
				q.log.Warn("lost NATS; waiting for it", zap.Error(err))
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				q.lost.Store(&err)
			}
		}),
		nats.ReconnectHandler(func(conn *nats.Conn) {
			q.lost.Store(nil)
			q.log.Info("found NATS again", zap.String("server", conn.ConnectedUrlRedacted()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrConnectionClosed) {
				q.log.Warn("NATS reports", zap.Error(err)) // permission errors show nowhere else
			}
		}),
	}
}
