package farend

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// apnsConn is one connection of a provider, as far as HTTP/2 (RFC 9113) goes
// into what the service does. It is spoken here frame by frame, because the
// service has to do on demand what Apple does and servers for the web hide.
type apnsConn struct {
	server *APNs
	plain  net.Conn
	secure *tls.Conn
	issued time.Time // of the newest provider token; for the reader alone
	out    apnsWriter

	mu        sync.Mutex
	streams   map[uint32]*apnsStream // open ones
	held      []*apnsStream
	newest    uint32 // stream that was opened last
	processed uint32 // newest stream that was looked at
	limit     int    // of streams, as far as the client has confirmed it
	unsettled []int  // limits announced and not yet confirmed
	full      int    // limit once proven
	proven    bool   // it has carried a valid push
	silent    bool
	leaving   bool // GOAWAY was sent
}

type apnsStream struct {
	id      uint32
	request *http.Request
	body    []byte
	window  int64 // bytes of the answer that the client takes
	answer  []byte
}

func newAPNsConn(server *APNs, plain net.Conn, full int) *apnsConn {
	c := &apnsConn{
		server: server, plain: plain, secure: tls.Server(plain, server.secure),
		streams: map[uint32]*apnsStream{}, limit: 1, full: full,
	}
	c.out.ready.L = &c.out.mu
	return c
}

func (c *apnsConn) serve() {
	defer c.server.forget(c)
	defer c.abort()
	if c.secure.HandshakeContext(context.Background()) != nil {
		return
	}
	preface := make([]byte, len(http2.ClientPreface))
	reader := bufio.NewReaderSize(c.secure, 32<<10)
	if _, err := io.ReadFull(reader, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	c.out.start(c.secure)
	defer c.out.stop()
	state := c.secure.ConnectionState()
	c.greet(&state)
	framer := http2.NewFramer(nil, reader)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		if err != nil || !c.take(frame, &state) {
			return
		}
	}
}

// greet announces the first limit: Apple starts at one stream with provider
// tokens only.
func (c *apnsConn) greet(state *tls.ConnectionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(state.VerifiedChains) > 0 {
		c.limit, c.proven = c.full, true
	}
	c.setLimit(c.limit)
}

// take handles one frame, and says whether the connection goes on.
func (c *apnsConn) take(frame http2.Frame, state *tls.ConnectionState) bool {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		return c.open(f, state)
	case *http2.DataFrame:
		c.receive(f)
	case *http2.RSTStreamFrame:
		c.end(f.StreamID)
	case *http2.SettingsFrame:
		c.settle(f)
	case *http2.PingFrame:
		data := f.Data
		if !f.IsAck() {
			c.say(func(f *http2.Framer) error { return f.WritePing(true, data) })
		}
	case *http2.WindowUpdateFrame:
		c.widen(f)
	}
	return true
}

// write queues frames; say leaves them out when the connection is mute.
func (c *apnsConn) write(frames func(*http2.Framer) error) { c.out.add(frames) }

func (c *apnsConn) say(frames func(*http2.Framer) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.silent {
		c.write(frames)
	}
}

func (c *apnsConn) open(f *http2.MetaHeadersFrame, state *tls.ConnectionState) bool {
	s := &apnsStream{id: f.StreamID, request: requestOf(f, state)}
	c.mu.Lock()
	if s.id%2 == 0 || s.id <= c.newest {
		c.mu.Unlock()
		return false // RFC 9113, 5.1.1: PROTOCOL_ERROR
	}
	c.newest = s.id
	if c.leaving {
		c.mu.Unlock()
		return true // above the last id that GOAWAY named: not looked at
	}
	if len(c.streams) >= c.limit {
		c.write(func(f *http2.Framer) error { return f.WriteRSTStream(s.id, http2.ErrCodeRefusedStream) })
		c.mu.Unlock()
		c.server.countRefused()
		return true
	}
	s.window = c.out.firstWindow()
	c.streams[s.id] = s
	c.mu.Unlock()
	if f.StreamEnded() {
		c.arrived(s)
	}
	return true
}

func (a *APNs) countRefused() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused++
}

func requestOf(f *http2.MetaHeadersFrame, state *tls.ConnectionState) *http.Request {
	r := &http.Request{
		Method: f.PseudoValue("method"), URL: &url.URL{Path: f.PseudoValue("path")}, Proto: "HTTP/2.0",
		Header: make(http.Header, len(f.Fields)), TLS: state,
	}
	for _, field := range f.RegularFields() {
		r.Header.Add(field.Name, field.Value)
	}
	return r
}

func (c *apnsConn) receive(f *http2.DataFrame) {
	if n := uint32(len(f.Data())); n > 0 {
		c.write(func(f *http2.Framer) error { return f.WriteWindowUpdate(0, n) })
	}
	c.mu.Lock()
	s := c.streams[f.StreamID]
	if s != nil && len(s.body) <= longestPayload {
		s.body = append(s.body, f.Data()...)
	}
	c.mu.Unlock()
	if s != nil && f.StreamEnded() {
		c.arrived(s)
	}
}

// settle confirms the client's settings, or hears that ours are confirmed.
func (c *apnsConn) settle(f *http2.SettingsFrame) {
	if !f.IsAck() {
		if size, given := f.Value(http2.SettingInitialWindowSize); given {
			c.out.setFirstWindow(int64(size))
		}
		c.say((*http2.Framer).WriteSettingsAck)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unsettled) > 0 {
		c.limit, c.unsettled = c.unsettled[0], c.unsettled[1:]
	}
}

// setLimit is called with c.mu held. A higher limit holds at once, a lower one
// when the client has confirmed it.
func (c *apnsConn) setLimit(limit int) {
	c.limit = max(c.limit, limit)
	c.unsettled = append(c.unsettled, limit)
	if !c.silent {
		c.write(func(f *http2.Framer) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(limit)})
		})
	}
}

func (c *apnsConn) end(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, id)
	c.held = slices.DeleteFunc(c.held, func(s *apnsStream) bool { return s.id == id })
	c.closeIfDone()
}

// closeIfDone is called with c.mu held.
func (c *apnsConn) closeIfDone() {
	if c.leaving && len(c.streams) == 0 {
		c.out.finish()
	}
}
