package farend_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"tocsin/farend"
)

// wire is a client that does what it is told, allowed or not.
type wire struct {
	t      *testing.T
	p      *provider
	framer *http2.Framer
	block  bytes.Buffer
	encode *hpack.Encoder
}

func (p *provider) dial(t *testing.T) *wire {
	t.Helper()
	dialer := tls.Dialer{Config: p.secure}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.server.URL(), "https://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	w := &wire{t: t, p: p, framer: http2.NewFramer(conn, conn)}
	w.encode = hpack.NewEncoder(&w.block)
	w.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	require.NoError(t, w.framer.WriteSettings())
	return w
}

func (w *wire) push(id uint32, to string) {
	w.t.Helper()
	w.block.Reset()
	r := w.p.request(w.t)
	fields := []hpack.HeaderField{
		{Name: ":method", Value: http.MethodPost}, {Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: "localhost"}, {Name: ":path", Value: "/3/device/" + to},
	}
	for name := range r.Header {
		fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: r.Header.Get(name)})
	}
	for _, field := range fields {
		require.NoError(w.t, w.encode.WriteField(field))
	}
	require.NoError(w.t, w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: w.block.Bytes(), EndHeaders: true}))
	require.NoError(w.t, w.framer.WriteData(id, true, []byte(`{"aps":{"alert":"x"}}`)))
}

// next gives the next frame of a type.
func next[T http2.Frame](w *wire) T {
	w.t.Helper()
	for {
		frame, err := w.framer.ReadFrame()
		require.NoError(w.t, err)
		if wanted, ok := frame.(T); ok {
			return wanted
		}
	}
}

func (w *wire) announced() int {
	w.t.Helper()
	for {
		if f := next[*http2.SettingsFrame](w); !f.IsAck() {
			limit, given := f.Value(http2.SettingMaxConcurrentStreams)
			require.True(w.t, given)
			require.NoError(w.t, w.framer.WriteSettingsAck())
			return int(limit)
		}
	}
}

func (w *wire) answered() (stream uint32, status string) {
	w.t.Helper()
	f := next[*http2.MetaHeadersFrame](w)
	return f.StreamID, f.PseudoValue("status")
}

func TestAPNsAllowsOneStreamAtFirst(t *testing.T) {
	t.Parallel()
	p := startProvider(t, farend.APNsOptions{MaxConcurrentStreams: 7})
	p.server.Answer(device, farend.APNsAnswer{Hang: true})
	w := p.dial(t)
	require.Equal(t, 1, w.announced())
	w.push(1, device)
	w.push(3, "aa")
	reset := next[*http2.RSTStreamFrame](w)
	require.Equal(t, http2.ErrCodeRefusedStream, reset.ErrCode)
	require.EqualValues(t, 3, reset.StreamID)
	require.Equal(t, 1, p.server.RefusedStreams())
	require.NoError(t, w.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	w.push(5, "aa")
	require.Equal(t, 7, w.announced())
	stream, status := w.answered()
	require.EqualValues(t, 5, stream)
	require.Equal(t, "200", status)
	received, _ := p.log.Since(0)
	require.Len(t, received, 2, "the refused one is not processed")
}

func TestAPNsLowersTheLimit(t *testing.T) {
	t.Parallel()
	p := startProvider(t, farend.APNsOptions{MaxConcurrentStreams: 2})
	p.server.Answer("aa", farend.APNsAnswer{Hang: true})
	w := p.dial(t)
	require.Equal(t, 1, w.announced())
	w.push(1, device)
	require.Equal(t, 2, w.announced())
	p.server.LimitStreams(1)
	w.push(3, "aa")
	w.push(5, device) // not confirmed yet: still allowed
	stream, status := w.answered()
	require.EqualValues(t, 1, stream)
	require.Equal(t, "200", status)
	require.Equal(t, 1, w.announced())
	stream, _ = w.answered()
	require.EqualValues(t, 5, stream)
	w.push(7, device)
	require.EqualValues(t, 7, next[*http2.RSTStreamFrame](w).StreamID)
}

func TestAPNsGoesAway(t *testing.T) {
	t.Parallel()
	p := startProvider(t, farend.APNsOptions{})
	w := p.dial(t)
	w.push(1, device)
	_, _ = w.answered()
	p.server.Hold()
	w.push(3, device)
	require.NoError(t, w.framer.WritePing(false, [8]byte{1}))
	require.True(t, next[*http2.PingFrame](w).IsAck())
	require.Equal(t, 1, p.server.Held())
	p.server.GoAway("Shutdown")
	away := next[*http2.GoAwayFrame](w)
	require.EqualValues(t, 1, away.LastStreamID)
	require.JSONEq(t, `{"reason":"Shutdown"}`, string(away.DebugData()))
	_, err := w.framer.ReadFrame()
	require.ErrorIs(t, err, io.EOF)
	received, _ := p.log.Since(0)
	require.Len(t, received, 1)
}

func TestAPNsRefusesConnections(t *testing.T) {
	t.Parallel()
	p := startProvider(t, farend.APNsOptions{})
	p.server.RefuseConnections("BadCertificateEnvironment")
	w := p.dial(t)
	w.push(1, device)
	away := next[*http2.GoAwayFrame](w)
	require.Zero(t, away.LastStreamID)
	require.JSONEq(t, `{"reason":"BadCertificateEnvironment"}`, string(away.DebugData()))
	received, _ := p.log.Since(0)
	require.Empty(t, received)
}
