package queue

import (
	"strings"
	"testing"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

// headerLines is a header as text, a line for each value, and headerOf reads it.
func headerLines(h nats.Header) string {
	var text strings.Builder
	for name, values := range h {
		for _, value := range values {
			text.WriteString(name + ": " + value + "\n")
		}
	}
	return text.String()
}

func headerOf(lines string) nats.Header {
	h := nats.Header{}
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		h[name] = append(h[name], value)
	}
	return h
}

func seeds(f *testing.F) {
	d := sampleDelivery(f, "e1")
	f.Add(headerLines(encode("s", d).Header), []byte(d.Event.Data))
	d.Attempts, d.Strikes, d.Hops, d.Replays = 3, 1, 2, 1
	d.Due, d.Since = d.Planned.Add(1), d.Planned.Add(-1)
	d.Last = schema.Attempt{At: d.Planned, Status: "503", Reason: "endpoint answered 503", Host: "example.com:443"}
	dead := deadDelivery(d, Death{Cause: Gone, Reason: "410 Gone"})
	f.Add(headerLines(dead.Header), dead.Data)
	f.Add(headerAttempts+": -1\n"+headerDue+": 0000-01-01T00:00:00+23:59\n", []byte(`{}`))
}

// FuzzDelivery gives what lies in a queue: whoever may publish to NATS may have
// put it there. What is read is stored again as it was.
func FuzzDelivery(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, lines string, data []byte) {
		d, err := decode(headerOf(lines), data)
		if err != nil {
			require.ErrorContains(t, err, "read delivery: ")
			return
		}
		for _, id := range []string{d.User, d.Channel, d.Target} {
			require.True(t, schema.ValidID(id), id)
		}
		stored := encode("s", d)
		again, err := decode(stored.Header, stored.Data)
		require.NoError(t, err)
		require.Equal(t, d.ID(), again.ID())
		require.Equal(t, []int{d.Attempts, d.Strikes, d.Hops, d.Replays}, []int{again.Attempts, again.Strikes, again.Hops, again.Replays})
		require.True(t, d.Due.Equal(again.Due) && d.Planned.Equal(again.Planned) && d.Since.Equal(again.Since))
	})
}

// FuzzLetter gives what lies dead. A replay carries no order to the server of
// whoever published it, and nothing that the burial added.
func FuzzLetter(f *testing.F) {
	seeds(f)
	f.Add("Nats-Msg-Id: x\nnats-expected-stream: y\n"+headerSubject+": tocsin.events.job.fail\n", []byte(`{`))
	f.Fuzz(func(t *testing.T, lines string, data []byte) {
		letter := readLetter(&jetstream.RawStreamMsg{Subject: "tocsin.dead.webhook.job.fail", Sequence: 1, Header: headerOf(lines), Data: data})
		require.Equal(t, uint64(1), letter.Sequence)
		for _, msg := range (&Queue{partitions: partitions(1)}).revive(letter) {
			for name := range msg.Header {
				require.False(t, forServer(name), name)
				require.NotContains(t, []string{headerCause, headerDeadReason, headerDeadAt}, name)
			}
		}
	})
}

// FuzzOneLine gives what far ends say: it ends up in headers.
func FuzzOneLine(f *testing.F) {
	f.Add("first\r\nTocsin-User: eve\x00" + strings.Repeat("é", 2000))
	f.Add("\xff\xfe\u2028\u0085")
	f.Fuzz(func(t *testing.T, said string) {
		line := oneLine(said)
		require.LessOrEqual(t, len(line), maxReason+len("…"))
		require.NotContains(t, line, "\n")
		require.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool { return r <= unicode.MaxASCII && unicode.IsControl(r) }))
		require.Equal(t, strings.ToValidUTF8(line, ""), line)
		require.Equal(t, line, strings.TrimSpace(line))
	})
}
