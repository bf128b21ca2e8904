// Package audit records what people and programs do to an installation: who,
// what, on what, and how it ended. An act is recorded before it is done, and is
// not done if it cannot be recorded.
package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/schema"
)

// stream keeps acts: a *queue.Queue.
type stream interface {
	RecordAct(ctx context.Context, a schema.Act) error
}

// Trail records acts.
type Trail struct {
	Stream stream
	Log    *zap.Logger
}

// ErrUnrecorded says that an act could not be recorded, and so was not done.
var ErrUnrecorded = errors.New("what is not recorded is not done")

// endTimeout bounds how long the end of an act waits to be recorded.
const endTimeout = 5 * time.Second

// Do records that an act begins, does it, and records how it ended. The error is
// ErrUnrecorded, or do's. The end is recorded also when ctx is done meanwhile; if
// it cannot be, the log has it.
func (t Trail) Do(ctx context.Context, a schema.Act, do func() error) error {
	a.ID, a.At, a.Outcome = rand.Text()[:16], time.Now().UTC(), schema.ActBegun
	a.Detail = line(a.Detail)
	if err := t.Stream.RecordAct(ctx, a); err != nil {
		return fmt.Errorf("%w: %w", ErrUnrecorded, err)
	}
	err := do()
	a.At, a.Outcome = time.Now().UTC(), schema.ActDone
	if err != nil {
		a.Outcome, a.Reason = schema.ActFailed, line(err.Error())
	}
	t.end(ctx, a)
	return err
}

// Refuse records that somebody has asked for what they may not do.
func (t Trail) Refuse(ctx context.Context, a schema.Act, why string) {
	a.ID, a.At, a.Outcome, a.Reason = rand.Text()[:16], time.Now().UTC(), schema.ActRefused, line(why)
	a.Detail = line(a.Detail)
	t.end(ctx, a)
}

func (t Trail) end(ctx context.Context, a schema.Act) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := t.Stream.RecordAct(ctx, a); err != nil {
		t.Log.Error("the end of an act is not recorded", zap.String("act", a.ID), zap.String("who", a.Who), zap.String("what", a.What),
			zap.String("on", a.On), zap.String("outcome", string(a.Outcome)), zap.String("reason", a.Reason), zap.Error(err))
	}
}

// longestLine is enough for what people read in a list.
const longestLine = 500

// line is a text in one line of bounded length.
func line(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if len(text) > longestLine {
		text = strings.ToValidUTF8(text[:longestLine], "") + "…"
	}
	return text
}
