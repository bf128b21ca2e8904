package chaos

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy carries TCP connections to a server, and troubles them.
type proxy struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	thawed *sync.Cond
	open   map[net.Conn]struct{}
	mood   mood
}

// mood is what a proxy does to what it carries. The zero value is a good network.
type mood struct {
	latency   time.Duration // each way
	halfOpen  bool          // takes everything and carries nothing
	refuse    bool          // accepts a connection and resets it
	noise     bool          // answers for the server, and makes no sense
	replyUpTo int           // bytes of answers that a connection carries before it is reset; 0: any number
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", ":0") // endpoints have hosts of their own
	require.NoError(t, err)
	p := &proxy{listener: listener, to: to, open: map[net.Conn]struct{}{}}
	p.thawed = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.become(mood{})
		p.cut()
	})
	return p
}

func (p *proxy) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.listener.Addr().(*net.TCPAddr).Port))
}

// carries counts the connections that are open.
func (p *proxy) carries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) / 2
}

// become changes the network, also for connections that are open.
func (p *proxy) become(m mood) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mood = m
	p.thawed.Broadcast()
}

// cut resets all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		reset(conn)
	}
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that Close sends RST
	}
	_ = conn.Close()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.carry(client)
	}
}

func (p *proxy) carry(client net.Conn) {
	switch m := p.wait(); {
	case m.noise:
		_, _ = client.Write(noise())
		_ = client.Close()
		return
	case m.refuse:
		reset(client)
		return
	}
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		reset(client)
		return
	}
	p.mu.Lock()
	p.open[client], p.open[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, false) })
	both.Go(func() { p.copy(client, server, true) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, client)
	delete(p.open, server)
	p.mu.Unlock()
}

// wait returns the present mood, when the network is no longer half-open.
func (p *proxy) wait() mood {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.mood.halfOpen {
		p.thawed.Wait()
	}
	return p.mood
}

// copy carries one direction until an end closes. What lay in a network that was
// half-open arrives late, as it can in a real one.
func (p *proxy) copy(to, from net.Conn, answers bool) {
	defer from.Close()
	defer to.Close()
	buffer, carried := make([]byte, 32<<10), 0
	for {
		n, err := from.Read(buffer)
		m := p.wait()
		if n > 0 {
			time.Sleep(m.latency)
			if left := m.replyUpTo - carried; answers && m.replyUpTo > 0 && n >= left {
				_, _ = to.Write(buffer[:max(left, 0)])
				reset(to)
				return
			}
			if answers {
				carried += n
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// The proxy is an instrument: what it is said to do, it does.
func TestProxyDoesWhatItIsTold(t *testing.T) {
	t.Parallel()
	echo, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = echo.Close() })
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	p := newProxy(t, echo.Addr().String())
	connect := func() (net.Conn, error) { return new(net.Dialer).DialContext(t.Context(), "tcp", p.address()) }
	dial := func() net.Conn {
		conn, err := connect()
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		return conn
	}
	say := func(conn net.Conn, text string) error {
		if _, err := conn.Write([]byte(text)); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, make([]byte, len(text)))
		return err
	}
	conn := dial()
	require.NoError(t, say(conn, "good"))

	p.become(mood{latency: 50 * time.Millisecond})
	began := time.Now()
	require.NoError(t, say(conn, "slow"))
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)

	p.become(mood{halfOpen: true})
	require.NoError(t, conn.SetDeadline(time.Now().Add(100*time.Millisecond)))
	require.Error(t, say(conn, "lost"), "nothing is answered")
	p.cut()

	p.become(mood{replyUpTo: 3})
	conn = dial()
	require.NoError(t, say(conn, "ab"))
	require.Error(t, say(conn, "cd"), "reset in mid reply")

	p.become(mood{refuse: true})
	refused, err := connect() // the reset can come while it connects
	if err == nil {
		err = say(refused, "a")
		require.NoError(t, refused.Close())
	}
	require.Error(t, err)
	p.become(mood{})
	require.NoError(t, say(dial(), "good again"))
}
