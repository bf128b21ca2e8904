package servertest

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// NATSServer is an embedded nats-server with a file store of its own.
type NATSServer struct {
	t       testing.TB
	options *server.Options
	server  *server.Server
}

// NATS starts a nats-server with JetStream on a free loopback port, and stops
// it when the test ends. Each option changes the server's configuration.
func NATS(t testing.TB, options ...func(*server.Options)) *NATSServer {
	t.Helper()
	n := &NATSServer{t: t, options: &server.Options{JetStream: true}}
	for _, option := range options {
		option(n.options)
	}
	n.begin()
	return n
}

// begin starts the server on a port and in a folder of its own.
func (n *NATSServer) begin() {
	n.t.Helper()
	o := n.options
	o.Host, o.Port, o.HTTPPort, o.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, n.t.TempDir()
	o.NoLog, o.NoSigs = true, true
	n.Start()
	n.t.Cleanup(n.Stop)
}

// URL is where the server listens, also after a restart.
func (n *NATSServer) URL() string { return n.server.ClientURL() }

// Start starts the server, the second time on the same port and store.
func (n *NATSServer) Start() {
	n.t.Helper()
	options := n.options.Clone()
	instance, err := server.NewServer(options)
	require.NoError(n.t, err, "configure nats-server")
	instance.Start()
	require.True(n.t, instance.ReadyForConnections(20*time.Second), "nats-server does not come up")
	n.options.Port = options.Port
	n.server = instance
}

// Stop stops the server and waits until it is gone.
func (n *NATSServer) Stop() {
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// JetStream connects to a server as another program would.
func JetStream(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return js
}

// Publish stores one message as another program would, without an id of its own.
func Publish(t testing.TB, url, subject string, header map[string][]string, body []byte) {
	t.Helper()
	PublishOn(t, JetStream(t, url), subject, header, body)
}

// PublishOn is Publish on a connection that is open.
func PublishOn(t testing.TB, js jetstream.JetStream, subject string, header map[string][]string, body []byte) {
	t.Helper()
	_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: header, Data: body})
	require.NoError(t, err)
}

// Messages counts what a stream holds.
func Messages(t testing.TB, js jetstream.JetStream, stream string) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	return s.CachedInfo().State.Msgs
}

// InHand counts the messages of a consumer that workers hold: none, until one of
// them has made the consumer.
func InHand(t testing.TB, js jetstream.JetStream, stream, consumer string) int {
	t.Helper()
	c, err := js.Consumer(t.Context(), stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0
	}
	require.NoError(t, err)
	return c.CachedInfo().NumAckPending
}
