package dev

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"tocsin/farend"
)

const (
	// heartbeat keeps proxies from closing a stream on which nothing happens,
	// and shows us a reader who has gone.
	heartbeat = 15 * time.Second
	// writeTime is how long a reader may take nothing in. It is longer than a
	// heartbeat: each write sets it anew.
	writeTime = 30 * time.Second
)

// received answers with what the Log holds, for programs.
func (p *page) received(w http.ResponseWriter, r *http.Request) {
	after, err := position(r.FormValue("after"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	received, _ := p.log.Since(after)
	if received == nil {
		received = []farend.Received{} // an empty list, not null
	}
	writeJSON(w, received)
}

// position is how many things a reader has seen; the empty text means none.
func position(text string) (int, error) {
	n, err := strconv.Atoi(cmp.Or(text, "0"))
	if err != nil || n < 0 {
		return 0, errors.New("after must be the number of the last thing that you have seen, or 0")
	}
	return n, nil
}

// stream sends what arrives as server-sent events (WHATWG HTML, section 9.2).
// The id of an event is the number of the arrival, so that a reader who was
// cut off goes on where it was.
func (p *page) stream(w http.ResponseWriter, r *http.Request) {
	after, err := position(cmp.Or(r.Header.Get("Last-Event-ID"), r.FormValue("after")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if after > p.log.Last() {
		after = 0 // counted in an earlier process
	}
	w.Header().Set("Content-Type", "text/event-stream")
	s := eventStream{w, http.NewResponseController(w)}
	if s.write("retry: 1000\nevent: run\ndata: "+p.run+"\n\n") == nil {
		p.follow(s, r, after)
	}
}

// follow returns when the reader has gone or the server shuts down.
func (p *page) follow(s eventStream, r *http.Request, after int) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		received, more := p.log.Since(after)
		if s.arrivals(received) != nil {
			return
		}
		if len(received) > 0 {
			after = received[len(received)-1].Seq
		}
		select {
		case <-more:
		case <-beat.C:
			if s.write(": still here\n\n") != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-p.stopping:
			return
		}
	}
}

// eventStream is a response that is sent on as it is written.
type eventStream struct {
	w          io.Writer
	controller *http.ResponseController
}

func (s eventStream) arrivals(received []farend.Received) error {
	for _, r := range received {
		if !isShown(r.Channel) {
			continue
		}
		c, err := newCard(r)
		if err != nil {
			return err
		}
		data, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode arrival %d: %w", r.Seq, err)
		}
		if err := s.write(fmt.Sprintf("id: %d\nevent: arrival\ndata: %s\n\n", r.Seq, data)); err != nil {
			return err
		}
	}
	return nil
}

func (s eventStream) write(text string) error {
	// A writer without deadlines has no connection that could hang.
	_ = s.controller.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := io.WriteString(s.w, text); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.controller.Flush()
}
