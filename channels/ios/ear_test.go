package ios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// reading is a connection that only reads.
type reading struct {
	net.Conn
	from io.Reader
}

func (r reading) Read(p []byte) (int, error) { return r.from.Read(p) }

func TestEarHearsWhateverThePieces(t *testing.T) {
	t.Parallel()
	var wire bytes.Buffer
	framer := http2.NewFramer(&wire, nil)
	require.NoError(t, errors.Join(
		framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 7}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}),
		framer.WriteSettingsAck(),
		framer.WriteData(1, false, bytes.Repeat([]byte{byte(http2.FrameGoAway)}, 16000)),
		framer.WriteData(1, true, nil),
		framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000}),
		framer.WriteGoAway(1, http2.ErrCodeNo, nil),
		framer.WriteGoAway(1, http2.ErrCodeNo, []byte(`{"reason":"Shutdown"}`)),
		framer.WriteGoAway(1, http2.ErrCodeNo, []byte(`too many pings`)),
	))
	for name, slow := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r },
		"bytes": iotest.OneByteReader,
		"half":  iotest.HalfReader,
		"error": iotest.DataErrReader,
	} {
		var said []string
		e := &ear{Conn: reading{from: slow(bytes.NewReader(wire.Bytes()))}, heard: heard{
			limit:  func(n int) { said = append(said, fmt.Sprint("limit ", n)) },
			goAway: func(reason string) { said = append(said, "away "+reason) },
			end:    func(err error) { said = append(said, err.Error()) },
		}}
		passed, err := io.ReadAll(e)
		require.NoError(t, err)
		require.Equal(t, wire.Bytes(), passed, name)
		require.Equal(t, []string{"limit 1", "limit 1000", "away ", "away Shutdown", "away ", "EOF"}, said[:6], name)
	}
}
