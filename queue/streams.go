package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"tocsin/schema"
)

// Names of the streams of the contract.
const (
	EventStream    = "TOCSIN_EVENTS"
	DeliveryStream = "TOCSIN_DELIVERIES"
	RetryStream    = "TOCSIN_RETRIES"
	DeadStream     = "TOCSIN_DEAD"
	LedgerStream   = "TOCSIN_LEDGER"
	AuditStream    = "TOCSIN_AUDIT"
)

// DuplicateWindow is how long a message id is remembered. The server keeps
// about 250 bytes for each, so it is minutes, not hours.
const DuplicateWindow = 2 * time.Minute

const (
	eventAge = 72 * time.Hour
	deadAge  = 30 * 24 * time.Hour

	// The ledger is bounded three ways. A record has about 400 bytes: 4 GiB are
	// some ten million of them, or five million deliveries.
	ledgerAge     = 30 * 24 * time.Hour
	ledgerBytes   = 4 << 30
	ledgerPerUser = 10_000 // records of one member of an account

	// An entry of the audit stream has about 300 bytes.
	auditAge   = 366 * 24 * time.Hour
	auditBytes = 256 << 20

	// headroom is what a dead letter needs beyond the event it holds: reason,
	// times and NATS's own headers. The server refuses a bigger event at
	// publication, where its producer can see it.
	headroom = 8 << 10
)

// minimumServer can read a page of a stream by one request (ADR-31, batched
// direct get); older ones answer such a request with a single message.
var minimumServer = [3]int{2, 11, 0}

// ErrUnusable marks a server that will not do however long we wait.
var ErrUnusable = errors.New("this NATS server cannot be used")

var errNotLooked = errors.New("they have not been looked for yet")

// Setup creates the streams that are missing and adds what an older version
// left out. Limits that an operator has set stay as they are. replicas is for
// streams that are created; 0 means 1.
func (q *Queue) Setup(ctx context.Context, replicas int) error {
	err := q.setup(ctx, replicas)
	if err != nil {
		q.unprepared.Store(&err)
		q.seekLeader(err)
	} else {
		q.unprepared.Store(nil)
	}
	return err
}

func (q *Queue) setup(ctx context.Context, replicas int) error {
	if err := q.checkServer(ctx); err != nil {
		return err
	}
	for _, want := range q.streams() {
		want.Replicas = max(replicas, 1)
		if err := q.ensureStream(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

// SetupPatiently is Setup for daemons: it waits for a server that is away, and
// fails only when waiting cannot help or ctx is done.
func (q *Queue) SetupPatiently(ctx context.Context) error {
	return backoff.RetryNotify(func() error {
		attempt, cancel := context.WithTimeout(ctx, publishTimeout)
		defer cancel()
		err := q.Setup(attempt, 0)
		if errors.Is(err, ErrUnusable) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(outage(), ctx), func(err error, next time.Duration) {
		q.log.Warn("streams are not ready", zap.Error(err), zap.Duration("next_try", next))
	})
}

func (q *Queue) checkServer(ctx context.Context) error {
	if err := q.Unreachable(); err != nil {
		return err
	}
	if version := q.conn.ConnectedServerVersion(); !atLeast(version, minimumServer) {
		return fmt.Errorf("%w: %s runs version %s, and Tocsin needs %d.%d or later",
			ErrUnusable, q.conn.ConnectedUrlRedacted(), version, minimumServer[0], minimumServer[1])
	}
	_, err := q.js.AccountInfo(ctx)
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("%w: JetStream is switched off at %s; start nats-server with -js and a store directory",
			ErrUnusable, q.conn.ConnectedUrlRedacted())
	}
	if err != nil {
		return fmt.Errorf("ask %s about JetStream: %w", q.conn.ConnectedUrlRedacted(), err)
	}
	return nil
}

func (q *Queue) streams() []jetstream.StreamConfig {
	maxEvent := int32(max(q.conn.MaxPayload()-headroom, 0)) //nolint:gosec // the server has it in as many bits
	all := make([]jetstream.StreamConfig, 0, len(q.partitions)+6)
	for _, p := range q.partitions {
		all = append(all, workQueue(p.stream(), "deliveries that wait for their first attempt", p.prefix()+">"))
	}
	return append(all, []jetstream.StreamConfig{
		{
			Name: EventStream, Description: "events as the platform published them",
			Subjects: []string{schema.EventSubjects}, Retention: jetstream.LimitsPolicy,
			MaxAge: eventAge, MaxMsgSize: maxEvent, Duplicates: DuplicateWindow, AllowDirect: true,
		},
		workQueue(RetryStream, "deliveries that wait until they are due", retrySubjects),
		{
			Name: DeadStream, Description: "events and deliveries that could not be handled",
			Subjects: []string{schema.DeadSubjects}, Retention: jetstream.LimitsPolicy,
			MaxAge: deadAge, Duplicates: DuplicateWindow, AllowDirect: true,
		},
		{
			Name: FleetStream, Description: "what processes report of themselves",
			Subjects: []string{fleetSubjects}, Retention: jetstream.LimitsPolicy,
			MaxAge: fleetAge, MaxBytes: fleetBytes, MaxMsgsPerSubject: fleetEach, AllowDirect: true,
		},
		{
			Name: AuditStream, Description: "what people and programs did to this installation",
			Subjects: []string{schema.AuditSubjects}, Retention: jetstream.LimitsPolicy,
			MaxAge: auditAge, MaxBytes: auditBytes, AllowDirect: true,
			DenyDelete: true, DenyPurge: true, // nobody takes back what they did
		},
		{ // last, because it makes do with what room the others leave
			Name: LedgerStream, Description: "what became of each delivery",
			Subjects: []string{schema.LedgerSubjects}, Retention: jetstream.LimitsPolicy,
			MaxAge: ledgerAge, MaxBytes: ledgerBytes, MaxMsgsPerSubject: ledgerPerUser, AllowDirect: true,
		},
	}...)
}

func workQueue(name, description, subjects string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Description: description,
		Subjects: []string{subjects}, Retention: jetstream.WorkQueuePolicy, Duplicates: DuplicateWindow, AllowDirect: true,
		Discard: jetstream.DiscardNew, // under a limit of the operator's it refuses; the other policy would drop what waits
	}
}

func (q *Queue) ensureStream(ctx context.Context, want jetstream.StreamConfig) error {
	stream, err := q.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return q.createStream(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	if have.Retention != want.Retention {
		return fmt.Errorf("%w: stream %s has %s retention, and Tocsin needs %s; delete it, or rename it away",
			ErrUnusable, want.Name, have.Retention, want.Retention)
	}
	upgraded, needed := upgrade(have, want)
	if !needed {
		return nil
	}
	_, err = q.js.UpdateStream(ctx, upgraded)
	return wrap(err, "upgrade stream %s", want.Name)
}

// createStream asks for less room where the server has not so much to give: a
// bound in bytes is set aside for the stream when it is created.
func (q *Queue) createStream(ctx context.Context, want jetstream.StreamConfig) error {
	_, err := q.js.CreateStream(ctx, want)
	for want.MaxBytes > leastBytes && isFull(err) {
		want.MaxBytes /= 4
		_, err = q.js.CreateStream(ctx, want)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another worker was faster
		return nil
	}
	return wrap(err, "create stream %s", want.Name)
}

// leastBytes is below what any stream with a bound is of use with.
const leastBytes = 16 << 20

// isFull reports whether a server or account has not enough storage: error codes
// 10047 and 10002 of JetStream (server/errors.json).
func isFull(err error) bool {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (refused.ErrorCode == 10047 || refused.ErrorCode == 10002)
}

// upgrade adds to a stream what this version cannot do without, and leaves
// everything else as its operator has it.
func upgrade(have, want jetstream.StreamConfig) (jetstream.StreamConfig, bool) {
	needed := false
	for _, subject := range want.Subjects {
		if !slices.Contains(have.Subjects, subject) {
			have.Subjects = append(uncovered(have.Subjects, subject), subject)
			needed = true
		}
	}
	if want.AllowDirect && !have.AllowDirect {
		have.AllowDirect = true
		needed = true
	}
	return have, needed
}

// uncovered leaves out the subjects that wider, which ends in ">", takes in: a
// stream's subjects must not overlap.
func uncovered(subjects []string, wider string) []string {
	return slices.DeleteFunc(slices.Clone(subjects), func(s string) bool {
		return strings.HasPrefix(s, strings.TrimSuffix(wider, ">"))
	})
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
