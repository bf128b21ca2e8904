package queue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Inspection is what an operator should know of a NATS server that works.
type Inspection struct {
	Ahead      time.Duration // of the server's clock, compared with this machine's
	Complaints []Complaint
}

// Complaint says what is wrong, and what to do about it.
type Complaint struct {
	Text  string
	Loses bool // something can be lost; else it is only less than it could be
}

const (
	// leastEvent is what an event of the contract has with a resource of some size
	// and its headers. A server that carries less refuses ordinary events.
	leastEvent = 64 << 10
	// fullAt is from where on a limit is near.
	fullAt = 0.8
)

// Inspect looks for what makes an installation fail later: limits that are too
// small, storage that is full or forgets, a cluster without copies, wrong clocks.
func (q *Queue) Inspect(ctx context.Context) (Inspection, error) {
	var i Inspection
	complain := func(loses bool, format string, args ...any) {
		i.Complaints = append(i.Complaints, Complaint{fmt.Sprintf(format, args...), loses})
	}
	if most := q.conn.MaxPayload(); most < leastEvent+growth+headroom {
		complain(true, "the server carries messages of at most %d bytes; set max_payload to 1MB", most)
	}
	account, err := q.js.AccountInfo(ctx)
	if err != nil {
		return i, fmt.Errorf("ask about JetStream: %w", err)
	}
	if share, limited := filled(account.Store, account.Limits.MaxStore); limited && share > fullAt {
		complain(true, "JetStream's storage is %.0f %% full; past its limit no event is accepted. Raise the account's limit, or max_file_store", share*100)
	}
	for _, want := range q.streams() {
		asked := time.Now()
		stream, err := q.js.Stream(ctx, want.Name)
		if err != nil {
			return i, fmt.Errorf("look up stream %s: %w", want.Name, err)
		}
		info := stream.CachedInfo()
		if !info.TimeStamp.IsZero() {
			i.Ahead = info.TimeStamp.Sub(asked.Add(time.Since(asked) / 2))
		}
		i.Complaints = append(i.Complaints, complaintsAbout(info, want, len(q.conn.DiscoveredServers()) > 0)...)
	}
	further, err := q.furtherPartitions(ctx)
	if err != nil {
		return i, err
	}
	for _, name := range slices.Sorted(maps.Keys(further)) {
		complain(further[name] > 0, "stream %s holds %d deliveries, and is none of the %d partitions that this process knows of: "+
			"give the whole fleet the same TOCSIN_PARTITIONS, or see 'Partitions' in docs/operations.md", name, further[name], len(q.partitions))
	}
	return i, nil
}

// furtherPartitions are streams of first attempts beyond those that this process
// knows of, and how many deliveries each holds.
func (q *Queue) furtherPartitions(ctx context.Context) (map[string]uint64, error) {
	further := map[string]uint64{}
	list := q.js.ListStreams(ctx, jetstream.WithStreamListSubject(furtherPartitions+">"))
	for info := range list.Info() {
		further[info.Config.Name] = info.State.Msgs
	}
	for _, p := range q.partitions {
		delete(further, p.stream())
	}
	return further, wrap(list.Err(), "list the streams of further partitions")
}

// complaintsAbout compares a stream with what Tocsin would have made of it.
func complaintsAbout(info *jetstream.StreamInfo, want jetstream.StreamConfig, clustered bool) []Complaint {
	var all []Complaint
	complain := func(loses bool, format string, args ...any) {
		all = append(all, Complaint{"stream " + want.Name + " " + fmt.Sprintf(format, args...), loses})
	}
	have := info.Config
	waiting := want.Retention == jetstream.WorkQueuePolicy
	switch {
	case waiting && have.MaxAge > 0:
		complain(true, "drops what has waited for %s; set its max age to 0", have.MaxAge)
	case !waiting && have.MaxAge > 0 && have.MaxAge < want.MaxAge/3:
		complain(want.Name == EventStream, "keeps messages for %s only, and %s is usual; raise its max age", have.MaxAge, want.MaxAge)
	}
	limited := have.MaxMsgs > 0 || have.MaxBytes > 0 || have.MaxMsgsPerSubject > 0
	if waiting && limited && have.Discard != jetstream.DiscardNew {
		complain(true, "drops the oldest that waits when it is full; set its discard policy to new")
	}
	if have.MaxBytes > 0 && have.MaxBytes < leastBytes {
		complain(waiting, "may hold %d bytes, which is next to nothing; raise its max bytes", have.MaxBytes)
	} else if share, bounded := filled(info.State.Bytes, have.MaxBytes); waiting && bounded && share > fullAt {
		complain(true, "is %.0f %% full; raise its max bytes", share*100)
	}
	if share, bounded := filled(info.State.Msgs, have.MaxMsgs); waiting && bounded && share > fullAt {
		complain(true, "has %.0f %% of the messages that it may; raise its max messages", share*100)
	}
	if have.Storage == jetstream.MemoryStorage {
		complain(true, "is kept in memory, and gone when the server restarts; make it anew with file storage")
	}
	if clustered && have.Replicas < 2 {
		complain(false, "has one copy in a cluster, and is away when its server is; set its replicas to 3")
	}
	return all
}

// filled is what share of a limit is used, and false without one.
func filled(used uint64, limit int64) (float64, bool) {
	if limit <= 0 {
		return 0, false
	}
	return float64(used) / float64(limit), true
}

// Advice is what to do about an error of Connect or Setup, empty if the error
// says so itself.
func Advice(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, misnamed := errors.AsType[x509.HostnameError](err)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return "the server is there and refuses user, password, token or credentials: see TOCSIN_NATS_URL and TOCSIN_NATS_CREDS"
	case errors.Is(err, nats.ErrPermissionViolation):
		return "this user may not do that: see deploy/nats/permissions.conf"
	case unknown:
		return "the server's certificate is of an authority that is not known here: name its file in TOCSIN_NATS_CA"
	case misnamed:
		return "the server's certificate is for another name: use that one in TOCSIN_NATS_URL"
	case errors.Is(err, nats.ErrSecureConnWanted), errors.Is(err, nats.ErrSecureConnRequired):
		return "server and URL do not agree on TLS: it is tls:// with it, and nats:// without"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return "see TOCSIN_NATS_CREDS, TOCSIN_NATS_CA, TOCSIN_NATS_CERT and TOCSIN_NATS_KEY"
	case errors.Is(err, nats.ErrNoServers):
		return "is TOCSIN_NATS_URL right, and is the server up?"
	}
	return ""
}
