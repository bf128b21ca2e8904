package pace_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/pace"
	"tocsin/schema"
)

var start = time.Date(2026, 8, 6, 8, 0, 0, 0, time.UTC)

func room(carry int) pace.Room {
	return pace.Room{Channel: "hipchat", Settings: json.RawMessage(`{"token":"t","room":"Ops"}`),
		Rate: pace.Rate{Messages: 3, Per: time.Minute}, Carry: carry}
}

func delivery(n int) schema.Delivery {
	return schema.Delivery{Event: schema.Event{Source: "/test", ID: fmt.Sprint(n), Type: "process.down", Account: "acme",
		Time: start.Add(time.Duration(n) * time.Second)},
		User: "grace", Channel: "hipchat", Target: "main"}
}

// timeline is a Redis whose clock stands until it is set.
type timeline struct {
	*pace.Pacer
	t      *testing.T
	server *miniredis.Miniredis
	room   pace.Room
}

func newTimeline(t *testing.T, r pace.Room) *timeline {
	t.Helper()
	server := miniredis.RunT(t)
	server.SetTime(start)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	line := &timeline{pace.New(client), t, server, r}
	line.Backlog = 2
	return line
}

func (l *timeline) at(after time.Duration) { l.server.SetTime(start.Add(after)) }

func (l *timeline) ask(n int) pace.Verdict {
	l.t.Helper()
	v, err := l.Admit(l.t.Context(), l.room, delivery(n), fmt.Sprintf("line %d", n))
	require.NoError(l.t, err)
	return v
}

func (l *timeline) requireSends(n int, companions ...int) {
	l.t.Helper()
	v := l.ask(n)
	require.Equal(l.t, pace.Send, v.Answer, "%+v", v)
	listed := make([]string, 0, len(companions))
	for _, c := range companions {
		listed = append(listed, fmt.Sprintf("line %d", c))
	}
	require.Equal(l.t, listed, lines(v))
}

func lines(v pace.Verdict) []string {
	all := make([]string, 0, len(v.Companions))
	for _, c := range v.Companions {
		all = append(all, c.Line)
	}
	return all
}

func (l *timeline) requireWaits(n int, wait time.Duration) {
	l.t.Helper()
	v := l.ask(n)
	require.Equal(l.t, pace.Wait, v.Answer, "%+v", v)
	require.Equal(l.t, wait, v.Wait.Truncate(time.Millisecond))
}

func (l *timeline) told(by int, listed ...int) {
	l.t.Helper()
	ids := make([]string, 0, len(listed))
	for _, n := range listed {
		ids = append(ids, delivery(n).ID())
	}
	require.NoError(l.t, l.Told(l.t.Context(), l.room, delivery(by).ID(), ids))
}

func TestARoomTakesSoManyInAnyWindow(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(0))
	l.requireSends(1)
	l.at(10 * time.Second)
	l.requireSends(2)
	l.at(25 * time.Second)
	l.requireSends(3)
	l.requireWaits(4, 35*time.Second)
	l.requireWaits(5, 45*time.Second) // each has a moment of its own
	l.requireWaits(6, 60*time.Second)
	l.requireWaits(7, 95*time.Second)
	l.requireWaits(4, 35*time.Second) // asking early changes nothing

	l.at(60 * time.Second)
	l.requireWaits(8, 70*time.Second) // 4 was before it
	l.requireSends(4)
	l.at(70 * time.Second)
	l.requireSends(5)
	l.requireWaits(9, 75*time.Second) // after 6, 7 and 8
}

func TestWhoDoesNotComeIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(0))
	for n := range 3 {
		l.requireSends(n)
	}
	for n := range 3 {
		l.requireWaits(10+n, time.Minute)
	}
	l.at(60*time.Second + time.Millisecond)
	require.Equal(t, pace.Wait, l.ask(20).Answer, "three are expected, and three may go")
	l.at(60*time.Second + l.Grace + time.Millisecond)
	l.requireSends(21)
}

func TestPastABacklogOneMessageListsOthers(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(3))
	for n := range 3 {
		l.requireSends(n)
	}
	for n := range 6 {
		require.Equal(t, pace.Wait, l.ask(10+n).Answer)
	}
	l.at(61 * time.Second)
	l.requireSends(11, 10, 12, 13) // the eldest, and never itself
	l.requireWaits(10, l.Grace)    // aside, until it is told
	l.told(11, 10, 12, 13)
	for range 2 { // also when its acknowledgement was lost
		v := l.ask(10)
		require.Equal(t, pace.Verdict{Answer: pace.Told, By: delivery(11).ID()}, v)
	}
	l.requireSends(14) // only 15 is left
	l.requireSends(15)
}

func TestCompanionsOfAMessageThatFailedComeAgain(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(9))
	for n := range 3 {
		l.requireSends(n)
	}
	for n := range 4 {
		require.Equal(t, pace.Wait, l.ask(10+n).Answer)
	}
	l.at(61 * time.Second)
	l.requireSends(10, 11, 12, 13)
	l.at(61*time.Second + l.Grace) // nobody has called Told
	l.requireSends(11)
	l.requireSends(12)
}

func TestOnlySoManyAreListed(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(9))
	l.Most = 3
	for n := range 3 {
		l.requireSends(n)
	}
	for n := range 9 {
		require.Equal(t, pace.Wait, l.ask(10+n).Answer)
	}
	l.at(61 * time.Second)
	l.requireSends(18, 10, 11, 12)
	l.requireSends(17)
}

func TestARoomMayAskToBeLeftAlone(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(0))
	require.NoError(t, l.Close(t.Context(), l.room, 5*time.Minute))
	require.NoError(t, l.Close(t.Context(), l.room, time.Minute), "a shorter wish does not end a longer one")
	require.NoError(t, l.Close(t.Context(), l.room, 0))
	l.requireWaits(1, 5*time.Minute)
	l.at(5 * time.Minute)
	l.requireSends(1)
}

func TestAClockSetBackHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(0))
	for n := range 3 {
		l.requireSends(n)
	}
	l.at(-time.Hour)
	l.requireSends(3)
}

func TestRoomsAreTheirSettings(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(0))
	l.room.Rate.Messages = 1
	l.requireSends(1)
	for settings, same := range map[string]bool{
		`{"room":"Ops","token":"t"}`:                    true,
		`{"token":"t","room":"Ops","api_version":""}`:   true,
		`{"token":"t","room":"Ops","api_version":null}`: true,
		`{"token":"t2","room":"Ops"}`:                   false,
		`{"token":"t","room":"Ops 2"}`:                  false,
		`not JSON`:                                      false,
	} {
		require.Equal(t, same, l.room.Has(json.RawMessage(settings)), settings)
		other := *l
		other.room.Settings = json.RawMessage(settings)
		require.Equal(t, same, other.ask(2).Answer == pace.Wait, settings)
	}
	l.room = room(0)
	l.room.Channel = "slack"
	l.requireSends(3)
}

func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(9))
	l.Backlog = 0
	for n := range 3 {
		l.requireSends(n)
	}
	_, err := l.Admit(t.Context(), l.room, delivery(4), strings.Repeat("é", 300))
	require.NoError(t, err)
	l.at(time.Minute)
	got := l.ask(5).Companions
	require.Len(t, got, 1)
	require.LessOrEqual(t, len(got[0].Line), 512)
	require.True(t, utf8.ValidString(got[0].Line))
	require.True(t, strings.HasSuffix(got[0].Line, "é…"))
	require.Equal(t, delivery(4).ID(), got[0].ID)
	want := delivery(4)
	want.Event.Source, want.Event.ID, want.Event.Time = "", "", time.Time{}
	require.Equal(t, want, got[0].Delivery("hipchat"))
}

func TestErrorsKeepTheirCause(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Admit(ctx, l.room, delivery(1), "line")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, l.Told(ctx, l.room, "leader", []string{"id"}), context.Canceled)
	require.ErrorIs(t, l.Close(ctx, l.room, time.Second), context.Canceled)
}

func TestNoRateIsNoLimit(t *testing.T) {
	t.Parallel()
	l := newTimeline(t, room(0))
	l.room.Rate = pace.Rate{}
	for n := range 100 {
		l.requireSends(n)
	}
	require.Empty(t, l.server.Keys())
}
