package queue_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// A publisher who writes the server's own headers neither sends a reader round in
// circles, nor ends what it reads, nor passes its event off as another.
func TestForgedPlacesMisleadNobody(t *testing.T) {
	t.Parallel()
	subject := schema.EventSubject("job.fail")
	forged := map[string]struct {
		status string // of the protocol's first line
		header map[string][]string
		body   string
	}{
		"another place": {header: map[string][]string{
			jetstream.SequenceHeader: {"1"}, jetstream.SubjectHeader: {schema.EventSubject("job.backon")},
			jetstream.TimeStampHeaer: {"2001-01-01T00:00:00Z"}, "ce-id": {"e1"},
		}, body: "{}"},
		"no place": {header: map[string][]string{
			jetstream.SequenceHeader: {"first"}, jetstream.TimeStampHeaer: {"yesterday"}, jetstream.SubjectHeader: {""},
		}, body: "{}"},
		"the end of a page":         {header: map[string][]string{"Status": {"204"}, "Description": {"EOB"}, "Nats-Last-Sequence": {"9"}}},
		"the end by the first line": {status: " 204 EOB"},
		"nothing found":             {header: map[string][]string{"Status": {"404"}}},
		"a refusal":                 {header: map[string][]string{"Status": {"408"}}},
	}
	for name, forgery := range forged {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servertest.NATS(t)
			q := ready(t, server)
			for range 3 {
				publishRaw(t, server.URL(), subject, "NATS/1.0"+forgery.status+"\r\n"+lines(forgery.header)+"\r\n", forgery.body)
			}
			var sequences []uint64
			for e, err := range q.Events(t.Context(), queue.EventFilter{}, 0) {
				require.NoError(t, err)
				sequences = append(sequences, e.Sequence)
				require.Equal(t, subject, e.Subject)
				require.WithinDuration(t, time.Now(), e.Stored, time.Minute)
				require.LessOrEqual(t, len(sequences), 3)
			}
			require.Equal(t, []uint64{1, 2, 3}, sequences)
			third, err := q.Event(t.Context(), 3)
			require.NoError(t, err)
			require.EqualValues(t, 3, third.Sequence)
			require.Equal(t, subject, third.Subject)
			_, err = q.Backlog(t.Context())
			require.NoError(t, err)
		})
	}
}

// An event whose headers are none is passed over, because nobody can tell where it
// lies, and what is behind it is read.
func TestHeadersThatAreNoneHideNothingElse(t *testing.T) {
	t.Parallel()
	server := servertest.NATS(t)
	q := ready(t, server)
	subject := schema.EventSubject("job.fail")
	for _, header := range []string{"nonsense\r\n\r\n", "NATS/1.0\r\n\r\n", "nonsense\r\n\r\n"} {
		publishRaw(t, server.URL(), subject, header, "{}")
	}
	var sequences []uint64
	for e, err := range q.Events(t.Context(), queue.EventFilter{}, 0) {
		require.NoError(t, err)
		sequences = append(sequences, e.Sequence)
	}
	require.Equal(t, []uint64{2}, sequences)
	_, err := q.Event(t.Context(), 1)
	require.ErrorContains(t, err, "read event 1: its headers are no headers")
	stream, err := stranger(t, server).Stream(t.Context(), queue.EventStream)
	require.NoError(t, err)
	require.NoError(t, stream.DeleteMsg(t.Context(), 2))
	_, err = q.Event(t.Context(), 2)
	require.ErrorIs(t, err, queue.ErrNoEvent)
}

func lines(header map[string][]string) (all string) {
	for name, values := range header {
		for _, value := range values {
			all += name + ": " + value + "\r\n"
		}
	}
	return all
}

// publishRaw stores a message as a client can that writes the protocol itself: a
// library would refuse such headers.
func publishRaw(t *testing.T, url, subject, header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB inbox 1\r\nHPUB %s inbox %d %d\r\n%s%s\r\n",
		subject, len(header), len(header)+len(body), header, body)
	require.NoError(t, err)
	replies := bufio.NewScanner(conn)
	for replies.Scan() {
		require.NotContains(t, replies.Text(), "-ERR")
		if strings.Contains(replies.Text(), `"seq":`) { // the acknowledgement
			return
		}
	}
	require.FailNow(t, "the server ends the connection", "%v", replies.Err())
}
