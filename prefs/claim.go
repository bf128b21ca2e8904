package prefs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"

	"tocsin/schema"
)

// Claim is what the fleet knows of an event that is about to be routed.
type Claim int

const (
	// ClaimNew says to route it. It is the first of its id, or the same message handed
	// out again before it was routed to the end.
	ClaimNew Claim = iota
	// ClaimDuplicate says that another message with this source and id was first.
	// Acknowledge it without routing.
	ClaimDuplicate
	// ClaimRouted says that this message was routed to the end before. Acknowledge it.
	ClaimRouted
)

const routedSuffix = " routed"

// Claim takes an event for the message that carries it, for DuplicateWindow,
// so that an event published twice, with or without Nats-Msg-Id, is routed
// once by the whole fleet. seq is the message's sequence in the event stream.
//
// A worker that dies after Claim leaves the event to its own message only: it
// is handed out again with the same sequence and routed again, and the ids of
// deliveries that were queued before keep them from being queued twice. One
// that dies between MarkRouted and the acknowledgement leaves ClaimRouted. If
// Redis loses its memory, or the two messages are routed further apart than
// the window, both are routed: at least once, never not at all.
func (s *Store) Claim(ctx context.Context, e schema.Event, seq uint64) (Claim, error) {
	holder := strconv.FormatUint(seq, 10)
	reply, err := s.shared.run(ctx, claimEvent, eventKey(e), holder, s.DuplicateWindow.Milliseconds())
	if err != nil {
		return ClaimNew, fmt.Errorf("claim the event of message %d: %w", seq, err)
	}
	held, err := reply.Text()
	if err != nil {
		return ClaimNew, fmt.Errorf("claim the event of message %d: %w", seq, err)
	}
	switch held {
	case "", holder:
		return ClaimNew, nil
	case holder + routedSuffix:
		return ClaimRouted, nil
	}
	return ClaimDuplicate, nil
}

// MarkRouted notes that all deliveries of a claimed event are queued, and
// starts the window anew, so that a message handed out again after a long
// fan-out is still known. Another message's claim is left alone.
func (s *Store) MarkRouted(ctx context.Context, e schema.Event, seq uint64) error {
	holder := strconv.FormatUint(seq, 10)
	_, err := s.shared.run(ctx, markRouted, eventKey(e), holder, holder+routedSuffix, s.DuplicateWindow.Milliseconds())
	if err != nil {
		return fmt.Errorf("mark the event of message %d as routed: %w", seq, err)
	}
	return nil
}

// eventKey is a function of source and id. The length before each keeps
// ("ab", "c") and ("a", "bc") apart.
func eventKey(e schema.Event) string {
	var text []byte
	for _, field := range [...]string{e.Source, e.ID} {
		text = binary.BigEndian.AppendUint64(text, uint64(len(field)))
		text = append(text, field...)
	}
	digest := sha256.Sum256(text)
	return "tocsin:event:" + hex.EncodeToString(digest[:16])
}
