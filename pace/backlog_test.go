package pace_test

import (
	"container/heap"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/pace"
)

// handOut is a moment at which the stream hands a delivery out. Time passes from
// one to the next, so that the true scale costs no waiting.
type handOut struct {
	due time.Duration
	n   int
}

type handOuts []handOut

func (h handOuts) Len() int           { return len(h) }
func (h handOuts) Less(i, j int) bool { return h[i].due < h[j].due }
func (h handOuts) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *handOuts) Push(x any)        { *h = append(*h, x.(handOut)) }
func (h *handOuts) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func TestABacklogAtThirtyAMinute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		deliveries, carry int
		every             time.Duration // between events; 0: all at once
		messages          int           // at most
		lasts             time.Duration // at most, from the last event
	}{
		{30, 40, 0, 30, 0},
		{40, 40, 0, 40, 2 * time.Minute},              // few enough to wait for
		{100, 0, 0, 100, 4 * time.Minute},             // nothing may be listed
		{1000, 40, 0, 80, 4 * time.Minute},            //
		{1000, 40, time.Second, 600, 3 * time.Minute}, // twice the rate
		{300, 40, 2 * time.Second, 300, time.Minute},  // just the rate
	} {
		t.Run(fmt.Sprintf("%d every %s", c.deliveries, c.every), func(t *testing.T) {
			t.Parallel()
			r := room(c.carry)
			r.Rate = pace.Rate{Messages: 30, Per: time.Minute}
			l := newTimeline(t, r)
			l.Backlog = 10
			seen, ended := l.play(c.deliveries, c.every)
			seen.requireEachShownOnce(t, c.deliveries)
			require.LessOrEqual(t, seen.mostIn(time.Minute), 30)
			require.LessOrEqual(t, len(seen.at), c.messages)
			require.LessOrEqual(t, ended-time.Duration(c.deliveries-1)*c.every, c.lasts)
			require.LessOrEqual(t, len(l.server.Keys()), 5+c.deliveries)
		})
	}
}

func (l *timeline) play(deliveries int, every time.Duration) (seen *notebook, ended time.Duration) {
	seen = newNotebook(deliveries)
	queue := &handOuts{}
	for n := range deliveries {
		heap.Push(queue, handOut{time.Duration(n) * every, n})
	}
	for queue.Len() > 0 {
		next := heap.Pop(queue).(handOut)
		ended = next.due
		l.at(next.due)
		v := l.ask(next.n)
		switch v.Answer {
		case pace.Wait:
			heap.Push(queue, handOut{next.due + v.Wait, next.n})
		case pace.Send:
			ids := idsOf(v.Companions)
			seen.show(v.At, append(ids, delivery(next.n).ID())...)
			require.NoError(l.t, l.Told(l.t.Context(), l.room, delivery(next.n).ID(), ids))
		}
	}
	return seen, ended
}
