package dev_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

// event is a server-sent event.
type event struct{ ID, Name, Data string }

// card is the data of an arrival.
type card struct{ Channel, Title, HTML string }

// reader reads a stream over a real connection.
type reader struct {
	t     *testing.T
	lines *bufio.Reader
	close func() error
}

func openStream(t *testing.T, server *httptest.Server, query, lastEventID string) *reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/stream"+query, nil)
	require.NoError(t, err)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	answer, err := server.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	return &reader{t, bufio.NewReader(answer.Body), answer.Body.Close}
}

// next waits for the next event; comments are left out.
func (r *reader) next() event {
	r.t.Helper()
	var e event
	for {
		line, err := r.lines.ReadString('\n')
		require.NoError(r.t, err)
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.ID = value
		case "event":
			e.Name = value
		case "data":
			e.Data = value
		case "":
			if e != (event{}) {
				return e
			}
		}
	}
}

func (r *reader) arrival() (id int, c card) {
	r.t.Helper()
	e := r.next()
	require.Equal(r.t, "arrival", e.Name)
	id, err := strconv.Atoi(e.ID)
	require.NoError(r.t, err)
	require.NoError(r.t, json.Unmarshal([]byte(e.Data), &c))
	return id, c
}

// streamed reads the first n arrivals of a page.
func streamed(t *testing.T, page http.Handler, n int) []card {
	t.Helper()
	server := httptest.NewServer(page)
	t.Cleanup(server.Close)
	stream := openStream(t, server, "", "")
	require.Equal(t, "run", stream.next().Name)
	var cards []card
	for range n {
		_, c := stream.arrival()
		cards = append(cards, c)
	}
	return cards
}

func TestStreamSendsWhatArrives(t *testing.T) {
	t.Parallel()
	log := new(farend.Log)
	server := httptest.NewServer(newPage(log))
	t.Cleanup(server.Close)
	stream := openStream(t, server, "", "")
	require.Equal(t, "run", stream.next().Name)

	log.Record(farend.Received{Channel: "pager", Title: "not on the page"})
	for i, r := range received() {
		log.Record(r)
		id, c := stream.arrival()
		require.Equal(t, i+2, id)
		require.Equal(t, r.Channel, c.Channel)
		require.Equal(t, r.Title, c.Title)
		require.Contains(t, c.HTML, fmt.Sprintf(`data-seq="%d"`, i+2))
		require.Contains(t, get(t, newPage(log), "/").Body.String(), c.HTML, "the page shows the same card")
	}
}

func TestStreamResumes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newPage(logOf(received()...)))
	t.Cleanup(server.Close)
	for name, test := range map[string]struct {
		query, lastEventID string
		first              int
	}{
		"from the start":        {"", "", 1},
		"after what is shown":   {"?after=2", "", 3},
		"after the last seen":   {"?after=1", "3", 4},
		"of an earlier process": {"?after=900", "", 1},
	} {
		stream := openStream(t, server, test.query, test.lastEventID)
		require.Equal(t, "run", stream.next().Name)
		id, _ := stream.arrival()
		require.Equal(t, test.first, id, name)
		require.NoError(t, stream.close())
	}
}

func TestStreamTellsOneProcessFromAnother(t *testing.T) {
	t.Parallel()
	var runs []string
	for range 2 {
		page := newPage(new(farend.Log))
		server := httptest.NewServer(page)
		t.Cleanup(server.Close)
		run := openStream(t, server, "", "").next().Data
		require.Contains(t, get(t, page, "/").Body.String(), `data-run="`+run+`"`)
		runs = append(runs, run)
	}
	require.NotEqual(t, runs[0], runs[1])
}

func TestStreamRefusesPositions(t *testing.T) {
	t.Parallel()
	page := newPage(new(farend.Log))
	for _, path := range []string{"/stream?after=x", "/stream?after=-1", "/received?after=x", "/received?after=-1"} {
		answer := get(t, page, path)
		require.Equal(t, http.StatusBadRequest, answer.Code, path)
		require.Contains(t, answer.Body.String(), "after must be the number", path)
	}
}

func TestStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newPage(new(farend.Log)))
	t.Cleanup(server.Close)
	stream := openStream(t, server, "", "")
	require.Equal(t, "run", stream.next().Name)

	require.NoError(t, server.Config.Shutdown(t.Context()))
	require.NoError(t, server.Config.Shutdown(t.Context()), "a second time does no harm")
	_, err := io.ReadAll(stream.lines)
	require.NoError(t, err)
}

func TestStreamBeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		page := newPage(new(farend.Log))
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		answer := ask(page, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/stream", nil))
		require.Equal(t, 2, strings.Count(answer.Body.String(), ": still here\n\n"), "every 15 s")
		require.True(t, answer.Flushed)
	})
}

func TestStreamUnderConcurrentArrivals(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 25
	log := new(farend.Log)
	page := newPage(log)
	server := httptest.NewServer(page)
	t.Cleanup(server.Close)
	streams := []*reader{openStream(t, server, "", ""), openStream(t, server, "", "")}

	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for range each {
				log.Record(received()[w%4])
			}
		})
		all.Go(func() { get(t, page, "/") })
		all.Go(func() { get(t, page, "/received?after=3") })
	}
	for _, stream := range streams {
		require.Equal(t, "run", stream.next().Name)
		for n := range writers * each {
			id, _ := stream.arrival()
			require.Equal(t, n+1, id, "once, and in order")
		}
	}
	all.Wait()
}

func TestReceived(t *testing.T) {
	t.Parallel()
	page := newPage(logOf(received()...))
	for path, want := range map[string][]string{
		"/received":          {"email", "ios", "hipchat", "webhook"},
		"/received?after=3":  {"webhook"},
		"/received?after=4":  {},
		"/received?after=99": {},
	} {
		answer := get(t, page, path)
		require.Equal(t, "application/json", answer.Header().Get("Content-Type"))
		var list []farend.Received
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &list))
		require.NotNil(t, list, path)
		got := []string{}
		for _, r := range list {
			got = append(got, r.Channel)
		}
		require.Equal(t, want, got, path)
	}
	require.Equal(t, "[]\n", get(t, newPage(new(farend.Log)), "/received").Body.String())
}
