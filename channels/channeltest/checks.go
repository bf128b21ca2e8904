package channeltest

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func (s Subject) describesItself(t *testing.T) {
	require.Regexp(t, namePattern, s.Spec.Name, "the name is a token of subjects and keys")
	require.NotEmpty(t, s.Spec.Label)
	require.Positive(t, s.Spec.Timeout)
	require.Positive(t, s.Spec.Concurrency)
	require.NotNil(t, s.Spec.Config)
	if !s.Spec.Many {
		require.Equal(t, channels.MainTarget, s.Target.ID)
	}
	require.NoError(t, s.Spec.Check(s.Target.Settings), "the target's own settings pass")
}

// malformedSettings are what a damaged or foreign record may hold.
func (s Subject) malformedSettings() []json.RawMessage {
	all := []json.RawMessage{[]byte(`[]`), []byte(`""`), []byte(`7`), []byte(`{"`), []byte("\x00")}
	for _, wrong := range []string{`7`, `{}`, `[""]`} {
		if len(s.Spec.Fields) > 0 {
			all = append(all, s.everyField(wrong))
		}
	}
	return all
}

// emptySettings say nothing; a channel that can do without says so by its Check.
func (s Subject) emptySettings() []json.RawMessage {
	return []json.RawMessage{nil, []byte(`null`), []byte(`{}`), s.everyField(`null`), s.everyField(`""`)}
}

// everyField is an object with the value in each of the Spec's fields.
func (s Subject) everyField(value string) json.RawMessage {
	members := make([]string, 0, len(s.Spec.Fields))
	for _, f := range s.Spec.Fields {
		members = append(members, fmt.Sprintf("%q:%s", f.Name, value))
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}")
}

func (s Subject) send(t *testing.T, ctx context.Context, n int) error {
	t.Helper()
	return s.sendTo(t, ctx, n, s.Target)
}

func (s Subject) sendTo(t *testing.T, ctx context.Context, n int, to channels.Target) error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- s.Channel.Send(ctx, s.delivery(n), to) }()
	return await(t, result, "Send to return")
}

func (s Subject) sendFails(t *testing.T, ctx context.Context, n int) channels.Failure {
	t.Helper()
	return s.failure(t, s.send(t, ctx, n))
}

// failure reads the error as the worker does, after checking that it can be
// shown: one line, and no secret anywhere in its chain.
func (s Subject) failure(t *testing.T, err error) channels.Failure {
	t.Helper()
	require.Error(t, err)
	f := channels.FailureOf(err)
	require.NotEmpty(t, err.Error())
	require.NotContains(t, err.Error(), "\n", "a reason is one line")
	require.NotContains(t, f.Status, "\n", "a status is one line")
	texts := append(chainTexts(err), f.Status)
	for _, secret := range s.Secrets {
		for _, text := range texts {
			if strings.Contains(text, secret) {
				t.Errorf("an error tells a secret (%d characters): %s", len(secret), text)
			}
		}
	}
	return f
}

// chainTexts are the texts of an error and of everything that it wraps.
func chainTexts(err error) []string {
	if err == nil {
		return nil
	}
	texts := []string{fmt.Sprintf("%+v", err)}
	switch wrapping := err.(type) { //nolint:errorlint // this walks the chain itself
	case interface{ Unwrap() error }:
		texts = append(texts, chainTexts(wrapping.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, wrapped := range wrapping.Unwrap() {
			texts = append(texts, chainTexts(wrapped)...)
		}
	}
	return texts
}

// await receives one value, or the closing of c.
func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
		panic("unreachable")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
