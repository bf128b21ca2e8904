package webhook

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

// sink answers every request 204 and does as little as it can, so that a
// benchmark counts the sender's work and not a server's.
type sink struct {
	listener    net.Listener
	connections atomic.Int64
}

func newSink(tb testing.TB, address string) *sink {
	tb.Helper()
	listener, err := net.Listen("tcp4", address)
	require.NoError(tb, err)
	s := &sink{listener: listener}
	go s.accept(tb.Context())
	tb.Cleanup(func() { _ = listener.Close() })
	return s
}

func (s *sink) port() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return port
}

// accept takes connections, which the channel keeps, until ctx ends.
func (s *sink) accept(ctx context.Context) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.connections.Add(1)
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && string(name) == "Content-Length" {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		if len(line) > 2 {
			continue
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
			return
		}
	}
}

// BenchmarkSend is one endpoint, one attempt after another: a typical event of
// 1.5 kB, signed with one secret.
func BenchmarkSend(b *testing.B) {
	s := newSink(b, "127.0.0.1:0")
	c := local(15 * time.Second)
	settings, err := json.Marshal(Settings{URL: "http://127.0.0.1:" + s.port() + "/hooks/T0?key=1", Secret: goldenSecret})
	require.NoError(b, err)
	d := delivery()
	d.Event.Data = []byte(`{"uid":"5999b763474b0eafa5fafb64bff0ba80","filler":"` + strings.Repeat("x", 1400) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Send(b.Context(), d, channels.Target{Settings: settings}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReuse is 1,000 endpoints and 256 attempts at a time, the channel's
// concurrency. It tells how many connections 1,000 attempts open, once each
// host has been reached.
func BenchmarkReuse(b *testing.B) {
	for name, url := range map[string]func(n int) string{
		"1000EndpointsOnOneHost":   func(n int) string { return fmt.Sprintf("http://127.0.0.1:%%s/hooks/%d", n) },
		"1000EndpointsOn1000Hosts": func(n int) string { return fmt.Sprintf("http://127.0.%d.%d:%%s/hooks", 1+n/250, 1+n%250) },
	} {
		b.Run(name, func(b *testing.B) {
			s := newSink(b, "0.0.0.0:0")
			c := local(15 * time.Second)
			targets := make([]channels.Target, 1000)
			for n := range targets {
				settings, err := json.Marshal(Settings{URL: fmt.Sprintf(url(n), s.port()), Secret: goldenSecret})
				require.NoError(b, err)
				targets[n].Settings = settings
				require.NoError(b, c.Send(b.Context(), delivery(), targets[n]))
			}
			before := s.connections.Load()
			var next atomic.Uint64
			b.SetParallelism(256 / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := next.Add(1) * 7919 % uint64(len(targets)) // a prime: every endpoint, none twice in a row
					if err := c.Send(b.Context(), delivery(), targets[n]); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(s.connections.Load()-before)*1000/float64(b.N), "connections/1000")
		})
	}
}
