package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// RecordAct stores an entry of the audit stream. It is stored when RecordAct
// returns without an error.
func (q *Queue) RecordAct(ctx context.Context, a schema.Act) error {
	text, err := json.Marshal(a)
	if err != nil { // an act holds nothing but texts and a time
		panic(fmt.Sprintf("encode an entry of the audit stream: %v", err))
	}
	_, err = q.js.PublishMsg(ctx, &nats.Msg{Subject: schema.AuditSubject(a.Via), Data: text})
	return wrap(err, "record %s on %s in %s", a.What, a.On, AuditStream)
}

// RecordedAct is an entry of the audit stream where it lies.
type RecordedAct struct {
	Sequence uint64
	schema.Act
}

// Acts reads the audit stream before a sequence, newest first; 0: from the end.
// An entry that nobody can read is passed over.
func (q *Queue) Acts(ctx context.Context, before uint64) iter.Seq2[RecordedAct, error] {
	return func(yield func(RecordedAct, error) bool) {
		from := place{stream: AuditStream, subject: schema.AuditSubjects}
		err := newest(ctx, q, from, before, func(msg *jetstream.RawStreamMsg) (RecordedAct, bool) {
			act := RecordedAct{Sequence: msg.Sequence}
			return act, json.Unmarshal(msg.Data, &act.Act) == nil
		}, func(act RecordedAct) bool { return yield(act, nil) })
		if err != nil {
			yield(RecordedAct{}, fmt.Errorf("read the audit stream: %w", err))
		}
	}
}
