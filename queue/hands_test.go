package queue

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// goroutine names the one that calls it: "goroutine 7".
func goroutine() string {
	text := make([]byte, 64)
	name, _, _ := bytes.Cut(text[:runtime.Stack(text, false)], []byte(" ["))
	return string(name)
}

// crew is hands that are busy with a message for as long as the test wants.
type crew struct {
	hands
	begun chan string              // by which goroutine
	held  map[string]chan struct{} // by subject; closed to let go
	done  chan struct{}
}

func newCrew(subjects ...string) *crew {
	c := &crew{begun: make(chan string), held: map[string]chan struct{}{}, done: make(chan struct{})}
	for _, s := range subjects {
		c.held[s] = make(chan struct{})
	}
	c.handle = func(msg *nats.Msg) {
		c.begun <- goroutine()
		<-c.held[msg.Subject]
	}
	c.freed = func() { c.done <- struct{}{} }
	return c
}

func (c *crew) begin(subject string) (by string) {
	c.take(&nats.Msg{Subject: subject})
	return <-c.begun
}

func (c *crew) finish(subject string) {
	close(c.held[subject])
	<-c.done
}

func TestWhoHasWaitedLeastGetsTheNext(t *testing.T) {
	t.Parallel()
	c := newCrew("a", "b", "c", "d", "e", "f")
	a, b := c.begin("a"), c.begin("b")
	require.NotEqual(t, a, b, "both at the same time")
	c.finish("b")
	c.finish("a")
	require.Equal(t, a, c.begin("c"))
	require.Equal(t, b, c.begin("d"))
	third := c.begin("e")
	require.NotContains(t, []string{a, b}, third)
	c.finish("d")
	require.Equal(t, b, c.begin("f"))

	ended := make(chan struct{})
	go func() { defer close(ended); c.end() }()
	for _, subject := range []string{"c", "e", "f"} {
		select {
		case <-ended:
			require.Fail(t, "something is in hand")
		default:
		}
		c.finish(subject)
	}
	<-ended
}

func TestOneHandIsEnoughForOneAtATime(t *testing.T) {
	t.Parallel()
	c := newCrew("a", "b", "c")
	first := c.begin("a")
	c.finish("a")
	for _, next := range []string{"b", "c"} {
		require.Equal(t, first, c.begin(next))
		c.finish(next)
	}
	c.end()
	c.end() // and nobody is let go twice
}
