package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// beaten is a message of which it counts how often the server was told that it is
// in hand.
type beaten struct{ beats int }

func (b *beaten) InProgress(...nats.AckOpt) error { b.beats++; return errors.New("NATS is away") }

func TestTheServerIsToldOfWhatIsInHandAndOfNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newInHand()
		ctx, cancel := context.WithCancel(t.Context())
		go h.keep(ctx)
		early, late := &beaten{}, &beaten{}
		h.take(early)
		time.Sleep(heartbeat / 2)
		h.take(late)
		time.Sleep(2*heartbeat + heartbeat/10)
		synctest.Wait()
		require.Equal(t, 2, early.beats)
		require.Equal(t, 2, late.beats)
		h.letGo(early)
		time.Sleep(ackWait)
		synctest.Wait()
		require.Equal(t, 2, early.beats, "it is not in hand any more")
		require.Equal(t, 5, late.beats, "three times in ackWait, so that two may be lost")
		cancel()
		synctest.Wait()
	})
}
