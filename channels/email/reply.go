package email

import (
	"errors"
	"net"
	"sync/atomic"
)

// longestReplies is what the server may say between two of our writes: more
// than a hundred lines of the longest that RFC 5321 section 4.5.3.1.5 allows,
// or a TLS handshake with a long chain of certificates.
const longestReplies = 64 << 10

var errTalksTooMuch = errors.New("the server sends more than any reply can have")

// boundedConn keeps a server from filling our memory, since the library reads
// a reply to its end, however long it is.
type boundedConn struct {
	net.Conn
	read atomic.Int64 // bytes since the last write
}

func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.read.Add(int64(n)) > longestReplies {
		return 0, errTalksTooMuch
	}
	return n, err
}

func (c *boundedConn) Write(p []byte) (int, error) {
	c.read.Store(0)
	return c.Conn.Write(p)
}
