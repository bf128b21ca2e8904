package ops_test

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

var manyLetters = flag.Int("letters", 20_000, "dead letters for BenchmarkPages")

// How long pages take where very much is dead. Run with -letters 1000000.
func BenchmarkPages(b *testing.B) {
	i := install(b, opsKeys)
	i.heap(*manyLetters)
	v := i.signedIn(viewKey)
	for name, path := range map[string]string{
		"newest":      "/ops/dead",
		"rare":        "/ops/dead?user=u999999",
		"one-host":    "/ops/dead?host=h7.example.com",
		"long-ago":    "/ops/dead?until=2020-01-01T00:00",
		"deep":        fmt.Sprintf("/ops/dead?before=%d", *manyLetters/2),
		"counts":      "/ops/dead/counts",
		"one-letter":  fmt.Sprintf("/ops/dead/%d", *manyLetters/2),
		"replay-list": "/ops/replays",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				answer, _ := v.get(path)
				require.Equal(b, http.StatusOK, answer.StatusCode)
			}
		})
	}
	b.Run("plan", func(b *testing.B) {
		for b.Loop() {
			_, err := i.replays.Plan(b.Context(), queue.LetterFilter{}, 100)
			require.NoError(b, err)
		}
	})
}

// heap stores so many dead letters as one was stored by a worker, for other users
// and hosts.
func (i *installation) heap(letters int) {
	i.t.Helper()
	i.kill(1)
	js := servertest.JetStream(i.t, i.nats.URL())
	stream, err := js.Stream(i.t.Context(), queue.DeadStream)
	require.NoError(i.t, err)
	one, err := stream.GetMsg(i.t.Context(), 1)
	require.NoError(i.t, err)
	e, err := schema.Sample("stack.redeploy.fail")
	require.NoError(i.t, err)
	for n := range letters - 1 {
		header := nats.Header{}
		for name, values := range one.Header {
			if !strings.HasPrefix(name, "Nats-") { // the server would take its own words for the letter's
				header[name] = values
			}
		}
		header.Set("Tocsin-User", fmt.Sprint("u", n))
		header.Set("Tocsin-Last-Host", fmt.Sprintf("h%d.example.com:443", n%40))
		_, err := js.PublishMsgAsync(&nats.Msg{Subject: one.Subject, Header: header, Data: e.Data})
		require.NoError(i.t, err)
		if n%5000 == 4999 {
			<-js.PublishAsyncComplete()
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(10 * time.Minute):
		i.t.Fatal("the letters were not stored")
	}
}
