package sink_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/bench/sink"
)

// far is a sink and what steers it.
type far struct {
	url    string
	client sink.Client
}

func newFar(t *testing.T) far {
	server := sink.NewServer()
	endpoints, control := httptest.NewServer(server), httptest.NewServer(server.Control())
	t.Cleanup(endpoints.Close)
	t.Cleanup(control.Close)
	return far{endpoints.URL, sink.Client{URL: control.URL}}
}

func (f far) post(ctx context.Context, path, delivery string, sent time.Time) (*http.Response, error) {
	body := fmt.Sprintf(`{"timestamp":1,"%s":%d,"name":"x"}`, sink.SentMember, sent.UnixNano())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Webhook-Id", delivery)
	return http.DefaultClient.Do(request)
}

func TestClassesBehaveAndAreCounted(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	for class, b := range map[string]sink.Behaviour{
		"slow": {Delay: 20 * time.Millisecond}, "broken": {Status: 500}, "gone": {Status: 410},
		"busy": {Status: 429, RetryAfter: 7},
	} {
		require.NoError(t, f.client.Behave(t.Context(), class, b))
	}
	for class, want := range map[string]int{"fast": 200, "slow": 200, "broken": 500, "gone": 410, "busy": 429} {
		began := time.Now()
		answer, err := f.post(t.Context(), "/"+class+"/1", "a", began.Add(-time.Second))
		require.NoError(t, err)
		require.Equal(t, want, answer.StatusCode, class)
		if class == "busy" {
			require.Equal(t, "7", answer.Header.Get("Retry-After"))
		}
		if class == "slow" {
			require.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond)
		}
	}
	counts, err := f.client.Counts(t.Context())
	require.NoError(t, err)
	for class, delivered := range map[string]int{"fast": 1, "slow": 1, "broken": 0, "gone": 0, "busy": 0} {
		require.Equal(t, 1, counts[class].Requests, class)
		require.Equal(t, delivered, counts[class].Delivered, class)
	}
	latencies, err := f.client.Latencies(t.Context(), "fast")
	require.NoError(t, err)
	require.Len(t, latencies, 1)
	require.InDelta(t, time.Second, latencies[0], float64(900*time.Millisecond))
}

func TestRepetitionsAreCountedApart(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	for _, delivery := range []string{"a", "b", "a", "a"} {
		_, err := f.post(t.Context(), "/fast/1", delivery, time.Now())
		require.NoError(t, err)
	}
	counts, err := f.client.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, counts["fast"].Delivered)
	require.Equal(t, 2, counts["fast"].Repeated)
	require.NoError(t, f.client.Reset(t.Context()))
	counts, err = f.client.Counts(t.Context())
	require.NoError(t, err)
	require.Zero(t, counts["fast"])
}

func TestHangingEndpointNeverAnswers(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	require.NoError(t, f.client.Behave(t.Context(), "stuck", sink.Behaviour{Hang: true}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := f.post(ctx, "/stuck/1", "a", time.Now())
	require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
	counts, err := f.client.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, counts["stuck"].Requests)
	require.Zero(t, counts["stuck"].Delivered)
}
