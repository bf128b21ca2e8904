package ios

import (
	"encoding/binary"
	"encoding/json"
	"net"
	"slices"

	"golang.org/x/net/http2"
)

// ear listens to the frames that a connection reads (RFC 9113, 4.1) for what
// the HTTP/2 client does not pass on: the announced number of streams as it
// changes, the reason of GOAWAY, and the end.
type ear struct {
	net.Conn
	heard

	header  [9]byte
	have    int    // bytes of header
	left    int    // bytes of the frame that are still to come
	payload []byte // of the frame, if it is of interest
}

// heard is told in the order in which things come, before the HTTP/2 client
// knows of them.
type heard struct {
	limit  func(streams int)
	goAway func(reason string)
	end    func(error)
}

// longestHeard is far above any SETTINGS or GOAWAY.
const longestHeard = 16 << 10

func (e *ear) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	e.hear(p[:n])
	if err != nil {
		e.end(err)
	}
	return n, err
}

func (e *ear) hear(p []byte) {
	for len(p) > 0 || e.have == len(e.header) && e.left == 0 {
		if e.have < len(e.header) {
			n := copy(e.header[e.have:], p)
			e.have, p = e.have+n, p[n:]
			e.left = int(e.header[0])<<16 | int(e.header[1])<<8 | int(e.header[2])
			continue
		}
		n := min(e.left, len(p))
		if e.interests() {
			e.payload = append(e.payload, p[:n]...)
		}
		e.left, p = e.left-n, p[n:]
		if e.left == 0 {
			e.tell()
			e.have, e.payload = 0, e.payload[:0]
		}
	}
}

func (e *ear) kind() http2.FrameType { return http2.FrameType(e.header[3]) }

func (e *ear) interests() bool {
	return (e.kind() == http2.FrameSettings || e.kind() == http2.FrameGoAway) && len(e.payload) < longestHeard
}

func (e *ear) tell() {
	const longestGoAwayHead, setting = 8, 6
	switch e.kind() {
	case http2.FrameGoAway:
		var text struct{ Reason string }
		if len(e.payload) > longestGoAwayHead {
			_ = json.Unmarshal(e.payload[longestGoAwayHead:], &text) // without reason if it is anything else
		}
		e.goAway(text.Reason)
	case http2.FrameSettings:
		for pair := range slices.Chunk(e.payload, setting) {
			if len(pair) == setting && http2.SettingID(binary.BigEndian.Uint16(pair)) == http2.SettingMaxConcurrentStreams {
				e.limit(int(binary.BigEndian.Uint32(pair[2:])))
			}
		}
	}
}
