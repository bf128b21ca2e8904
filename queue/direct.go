package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/natsext"
)

// directRequest asks for messages of a stream, oldest first (ADR-31, "Batched
// requests").
type directRequest struct {
	Sequence uint64     `json:"seq,omitempty"` // none before it
	Since    *time.Time `json:"start_time,omitempty"`
	Subject  string     `json:"next_by_subj,omitempty"` // may hold wildcards; empty: any
	Batch    int        `json:"batch"`                  // at most so many
	MaxBytes int        `json:"max_bytes,omitempty"`    // none after these are reached; 0: the server's bound
}

// What a server says that has no message to give (ADR-31).
const (
	statusHeader      = "Status"
	descriptionHeader = "Description"
	statusEnd         = "204"
	statusNone        = "404"
	statusNobody      = "503"
	lastHeader        = "Nats-Last-Sequence"
)

// direct calls do with messages of a stream until it says no, and returns the
// sequence of the last that was looked at. The error is jetstream.ErrMsgNotFound
// if there are none. One whose time is over ends like one that was read.
//
// Whoever may publish can give a message any header. The server adds where the
// message lies behind what is there already (ADR-31), and reads nothing of it, so
// this goes by the last of a header: clients that read the first can be sent
// round in circles by a sequence, made to fail by one that is no number, and told
// by a status that there is nothing more.
func (q *Queue) direct(ctx context.Context, stream string, r directRequest, do func(*jetstream.RawStreamMsg) bool) (last uint64, err error) {
	request, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("ask for messages of %s: %w", stream, err)
	}
	replies, err := natsext.RequestMany(ctx, q.conn, jetstream.DefaultAPIPrefix+"DIRECT.GET."+stream, request)
	if err != nil {
		return 0, fmt.Errorf("ask for messages of %s: %w", stream, err)
	}
	for reply, err := range replies {
		if err != nil {
			return last, fmt.Errorf("read messages of %s: %w", stream, err)
		}
		if len(reply.Header[jetstream.StreamHeader]) == 0 {
			end, over, err := endOf(reply)
			if over || err != nil {
				return max(last, end), wrap(err, "read messages of %s", stream)
			}
			continue
		}
		msg, err := placed(reply)
		if err != nil {
			return last, fmt.Errorf("read messages of %s: %w", stream, err)
		}
		last = msg.Sequence
		if !do(msg) {
			return last, nil
		}
	}
	return last, nil
}

// endOf reads a reply that is no message. It may be one whose headers are no
// headers: nothing is over then, and where it lies is told with the end.
func endOf(reply *nats.Msg) (last uint64, over bool, err error) {
	switch reply.Header.Get(statusHeader) {
	case "":
		return 0, false, nil
	case statusEnd:
		last, err = strconv.ParseUint(reply.Header.Get(lastHeader), 10, 64)
		return last, true, wrap(err, "read how far a page goes")
	case statusNone:
		return 0, true, jetstream.ErrMsgNotFound
	default:
		return 0, true, refusal(reply)
	}
}

// refusal is what a server says in place of what it was asked for.
func refusal(word *nats.Msg) error {
	status := word.Header.Get(statusHeader)
	if status == statusNobody {
		return nats.ErrNoResponders
	}
	return fmt.Errorf("the server says %s %s", status, word.Header.Get(descriptionHeader))
}

// placed is a reply as the message that it brings, with where that lies.
func placed(reply *nats.Msg) (*jetstream.RawStreamMsg, error) {
	sequence, unnumbered := strconv.ParseUint(byServer(reply.Header, jetstream.SequenceHeader), 10, 64)
	stored, undated := time.Parse(time.RFC3339Nano, byServer(reply.Header, jetstream.TimeStampHeaer))
	return &jetstream.RawStreamMsg{
		Subject: byServer(reply.Header, jetstream.SubjectHeader), Sequence: sequence, Time: stored,
		Header: reply.Header, Data: reply.Data,
	}, wrap(errors.Join(unnumbered, undated), "read where a message lies")
}

// byServer is the last of a header.
func byServer(header nats.Header, name string) string {
	values := header[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
