package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"tocsin/schema"
)

// DeadLetter is an event or a delivery that could not be handled.
type DeadLetter struct {
	Sequence uint64    // in TOCSIN_DEAD; names the letter
	Died     time.Time // when it was buried
	Subject  string    // where it lies
	Cause    Cause
	Reason   string

	// Delivery is what could not be delivered; nil for an event that did not
	// validate.
	Delivery *schema.Delivery

	Header schema.Header // as stored, ours among them
	Body   []byte        // the original bytes
}

// ErrNoLetter says that a dead letter is no longer, or never was, there.
var ErrNoLetter = errors.New("no such dead letter")

// DeadLetters reads the dead letters behind a sequence, oldest first, as many as
// there are when it begins. They are narrowed by what the server can tell alone:
// ask f about each.
func (q *Queue) DeadLetters(ctx context.Context, f LetterFilter, after uint64) iter.Seq2[DeadLetter, error] {
	if len(f.Sequences) > 0 {
		return bySequence(f.Sequences, after, ErrNoLetter, func(sequence uint64) (DeadLetter, error) { return q.DeadLetter(ctx, sequence) })
	}
	return func(yield func(DeadLetter, error) bool) {
		from := place{stream: DeadStream, subject: f.subject(), after: after, since: f.Since}
		err := q.each(ctx, from, func(msg *jetstream.RawStreamMsg) bool {
			return yield(readLetter(msg), nil)
		})
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("read dead letters on %s: %w", from.subject, err))
		}
	}
}

// DeadLetter reads one dead letter. The error is ErrNoLetter if it is not there.
func (q *Queue) DeadLetter(ctx context.Context, sequence uint64) (DeadLetter, error) {
	msg, err := q.message(ctx, DeadStream, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return DeadLetter{}, fmt.Errorf("%w: %d", ErrNoLetter, sequence)
	}
	if err != nil {
		return DeadLetter{}, fmt.Errorf("read dead letter %d: %w", sequence, err)
	}
	return readLetter(msg), nil
}

func readLetter(msg *jetstream.RawStreamMsg) DeadLetter {
	letter := DeadLetter{
		Sequence: msg.Sequence, Died: msg.Time, Subject: msg.Subject,
		Cause: Cause(msg.Header.Get(headerCause)), Reason: msg.Header.Get(headerDeadReason),
		Header: schema.Header(withoutPlace(msg.Header)), Body: msg.Data,
	}
	if msg.Header.Get(headerDelivery) != "" {
		if d, err := decode(msg.Header, msg.Data); err == nil {
			letter.Delivery = &d
		}
	}
	return letter
}

// withoutPlace takes away what a direct read adds to the headers of a message:
// where it lies (ADR-31).
func withoutPlace(header nats.Header) nats.Header {
	for _, name := range [...]string{
		jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer,
		"Nats-Num-Pending", "Nats-Last-Sequence", "Nats-UpTo-Sequence",
	} {
		delete(header, name)
	}
	return header
}

// LastLetter is the sequence of the newest dead letter there ever was.
func (q *Queue) LastLetter(ctx context.Context) (uint64, error) { return q.last(ctx, DeadStream) }

// LetterCount says how many dead letters of a channel and type there are.
type LetterCount struct {
	Channel string `json:"channel"` // EventLetters for events
	Type    string `json:"type"`
	Count   int    `json:"count"`
}

// CountLetters counts the dead letters by channel and type, the most first. It
// reads none of them, and so takes no longer for a million than for one. Of f
// only channel and type narrow it.
func (q *Queue) CountLetters(ctx context.Context, f LetterFilter) ([]LetterCount, error) {
	stream, err := q.js.Stream(ctx, DeadStream)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", DeadStream, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(f.subject()))
	if err != nil {
		return nil, fmt.Errorf("count the dead letters on %s: %w", f.subject(), err)
	}
	counts := make([]LetterCount, 0, len(info.State.Subjects))
	for subject, n := range info.State.Subjects {
		c := LetterCount{Count: int(n)} //nolint:gosec // there are not so many
		c.Channel, c.Type = DeadLetter{Subject: subject}.Place()
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b LetterCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Type, b.Type))
	})
	return counts, nil
}

// BuryAll stores deliveries as dead letters that nobody has in hand.
func (q *Queue) BuryAll(ctx context.Context, deliveries []schema.Delivery, death Death) error {
	letters := make([]keyed, len(deliveries))
	for i, d := range deliveries {
		letters[i] = keyed{Msg: deadDelivery(d, death)}
	}
	return q.storeAll(ctx, letters)
}

// Replay sends dead letters on their way again: a delivery to its channel, with
// a new retry window and the same delivery id; an event to where it was
// published. The letters are removed once that is stored, so a crash between the
// two replays nothing twice within the duplicate window.
func (q *Queue) Replay(ctx context.Context, letters ...DeadLetter) error {
	var revived []keyed
	for _, l := range letters {
		revived = append(revived, q.revive(l)...)
	}
	if err := q.storeAll(ctx, revived); err != nil {
		return fmt.Errorf("replay %d dead letters: %w", len(letters), err)
	}
	sequences := make([]uint64, len(letters))
	for i, l := range letters {
		sequences[i] = l.Sequence
	}
	return q.DiscardAll(ctx, sequences)
}

// revive is what a replay stores. Its key keeps one that is repeated, because it
// failed between storing and discarding, from storing twice.
func (q *Queue) revive(letter DeadLetter) []keyed {
	if letter.Delivery == nil {
		return []keyed{{reviveEvent(letter), fmt.Sprintf("replay:%d", letter.Sequence)}}
	}
	return q.again(*letter.Delivery, letter.Delivery.Replays+1)
}

// reviveEvent strips what burying has added, but for its sequence: by that the
// event still holds the claim that it died with, and is no duplicate of itself.
func reviveEvent(letter DeadLetter) *nats.Msg {
	header := nats.Header{}
	for name, values := range letter.Header {
		switch name {
		case headerCause, headerDeadReason, headerDeadAt, headerSubject, headerStored, headerDropped:
		default:
			if !forServer(name) {
				header[name] = values
			}
		}
	}
	return &nats.Msg{Subject: nats.Header(letter.Header).Get(headerSubject), Header: header, Data: letter.Body}
}

// Discard removes a dead letter for good. The error is ErrNoLetter if it is not
// there.
func (q *Queue) Discard(ctx context.Context, sequence uint64) error {
	stream, err := q.js.Stream(ctx, DeadStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", DeadStream, err)
	}
	return q.discard(ctx, stream, sequence)
}

// discarders is how many letters are removed at the same time: the server takes
// them one by one, and waits for no answer of ours.
const discarders = 16

// DiscardAll removes dead letters for good, as far as they are there.
func (q *Queue) DiscardAll(ctx context.Context, sequences []uint64) error {
	if len(sequences) == 0 {
		return nil
	}
	stream, err := q.js.Stream(ctx, DeadStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", DeadStream, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(discarders)
	for _, sequence := range sequences {
		group.Go(func() error {
			if err := q.discard(ctx, stream, sequence); !errors.Is(err, ErrNoLetter) {
				return err
			}
			return nil // somebody else has removed it
		})
	}
	return group.Wait()
}

func (q *Queue) discard(ctx context.Context, stream jetstream.Stream, sequence uint64) error {
	if err := stream.DeleteMsg(ctx, sequence); err != nil {
		if _, gone := q.DeadLetter(ctx, sequence); errors.Is(gone, ErrNoLetter) {
			return gone
		}
		return fmt.Errorf("remove dead letter %d: %w", sequence, err)
	}
	return nil
}
