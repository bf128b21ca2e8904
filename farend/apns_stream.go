package farend

import (
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// arrived is called once the push is here whole.
func (c *apnsConn) arrived(s *apnsStream) {
	c.server.mu.Lock()
	holding, refusal := c.server.holding, c.server.refusal
	c.server.mu.Unlock()
	c.mu.Lock()
	if refusal != "" && c.processed == 0 {
		delete(c.streams, s.id)
		c.mu.Unlock()
		c.goAway(refusal)
		return
	}
	if holding {
		c.held = append(c.held, s)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.process(s)
}

func (c *apnsConn) process(s *apnsStream) {
	c.mu.Lock()
	c.processed = max(c.processed, s.id)
	c.mu.Unlock()
	r := readAPNsRequest(s.request, s.body)
	answer, valid := c.server.judge(r, c)
	if answer.Hang {
		return // until the client resets the stream
	}
	if c.server.delay == 0 {
		c.reply(s, answer, valid)
		return
	}
	time.AfterFunc(c.server.delay, func() { c.reply(s, answer, valid) })
}

// reply ends a stream, and raises the limit of streams after the first valid
// push ("Sending notification requests to APNs").
func (c *apnsConn) reply(s *apnsStream, answer APNsAnswer, valid bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[s.id] == nil || c.silent {
		return // reset meanwhile
	}
	if valid && !c.proven {
		c.proven = true
		c.setLimit(c.full)
	}
	s.answer = answer.body()
	fields := []hpack.HeaderField{
		{Name: ":status", Value: strconv.Itoa(answer.status())},
		{Name: "apns-id", Value: s.request.Header.Get("apns-id")},
	}
	empty := len(s.answer) == 0
	if empty {
		delete(c.streams, s.id)
	}
	c.write(func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: s.id, BlockFragment: c.out.encode(fields), EndHeaders: true, EndStream: empty,
		})
	})
	c.pour(s)
	c.closeIfDone()
}

// pour sends as much of the answer as the client has room for. It is called
// with c.mu held.
func (c *apnsConn) pour(s *apnsStream) {
	const longestFrame = 16 << 10
	for len(s.answer) > 0 {
		n := min(int64(len(s.answer)), longestFrame, s.window)
		if n <= 0 {
			return
		}
		part := s.answer[:n]
		s.answer, s.window = s.answer[n:], s.window-n
		last := len(s.answer) == 0
		if last {
			delete(c.streams, s.id)
		}
		c.write(func(f *http2.Framer) error { return f.WriteData(s.id, last, part) })
	}
}

// widen leaves the window of the connection alone: clients in Go open it to a
// gigabyte, which no test fills.
func (c *apnsConn) widen(f *http2.WindowUpdateFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[f.StreamID]; s != nil {
		s.window += int64(f.Increment)
		c.pour(s)
		c.closeIfDone()
	}
}
