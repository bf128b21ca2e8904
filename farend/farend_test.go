package farend

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func sequences(received []Received) []int {
	var all []int
	for _, r := range received {
		all = append(all, r.Seq)
	}
	return all
}

func TestLogForgetsTheOldestAndNumbersGoOn(t *testing.T) {
	t.Parallel()
	page := Received{Raw: strings.Repeat("x", 1000)}
	log := Log{MaxBytes: 3 * page.size()}
	for range 10 {
		log.Record(page)
	}
	require.Equal(t, 10, log.Last())
	for n, want := range map[int][]int{0: {8, 9, 10}, 7: {8, 9, 10}, 8: {9, 10}, 10: nil, 99: nil} {
		received, _ := log.Since(n)
		require.Equal(t, want, sequences(received), "since %d", n)
	}
	log.Record(Received{Raw: strings.Repeat("x", 10*log.MaxBytes)})
	received, _ := log.Since(0)
	require.Equal(t, []int{11}, sequences(received), "the newest is kept however large")
}

func TestLogWithoutABoundKeepsEverything(t *testing.T) {
	t.Parallel()
	var log Log
	for range 5000 {
		log.Record(Received{})
	}
	received, more := log.Since(0)
	require.Len(t, received, 5000)
	log.Record(Received{})
	<-more
}
