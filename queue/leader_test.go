package queue

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// A server that is cut off says without end that there is no leader; one that
// waits for an election says so for some seconds. That a fleet turns away from
// the former is tested in package chaos.
func TestServerIsLeftThatKnowsNoLeaderForLong(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		seconds []int // after noon, when the server says so
		left    []int // at which of these it is left
	}{
		"once":                     {seconds: []int{0}},
		"during an election":       {seconds: []int{0, 3, 6, 9}},
		"for longer":               {seconds: []int{0, 3, 6, 9, 12}, left: []int{12}},
		"two elections":            {seconds: []int{0, 6, 20, 26}},
		"the next server likewise": {seconds: []int{0, 6, 12, 13, 19, 23, 24}, left: []int{12, 24}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h headless
			var left []int
			for _, second := range test.seconds {
				if h.lasts(noon.Add(time.Duration(second) * time.Second)) {
					left = append(left, second)
				}
			}
			require.Equal(t, test.left, left)
		})
	}
	require.True(t, hasNoLeader(wrap(&jetstream.APIError{Code: 503, ErrorCode: 10008}, "ask")))
	require.False(t, hasNoLeader(jetstream.ErrStreamNotFound))
}
