package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"tocsin/farend"
)

// collect receives spans by OTLP over HTTP, as a collector does.
func collect(t *testing.T) (url string, spans chan *trace.Span) {
	t.Helper()
	spans = make(chan *trace.Span, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			http.Error(w, "not a request of OTLP", http.StatusBadRequest)
			return
		}
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					spans <- span
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	return server.URL, spans
}

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	producer    = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + producer + "-01"
)

// sentBy is the span that a webhook's request names as its parent.
func sentBy(t *testing.T, r farend.Received) string {
	t.Helper()
	found := regexp.MustCompile(`(?i)traceparent: 00-` + traceID + `-([0-9a-f]{16})-01`).FindStringSubmatch(r.Raw)
	require.NotNil(t, found, "%s", r.Raw)
	return found[1]
}

// The producer's span is the parent of routing, routing that of each attempt,
// and the attempt that of what the receiver does.
func TestATraceGoesFromTheProducerToTheReceiver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 503})
	url, spans := collect(t)
	worker := start(t, s.workerArgs("--otlp-endpoint", url)...)
	s.publish("job.fail", "--traceparent", traceparent)
	attempts := s.eventually(2)
	require.Equal(t, exitDone, worker.stop(), "what was not sent yet is sent at the end")

	byName := map[string][]*trace.Span{}
	for range 3 {
		select {
		case span := <-spans:
			byName[span.GetName()] = append(byName[span.GetName()], span)
			require.Equal(t, traceID, hex.EncodeToString(span.GetTraceId()))
		case <-time.After(30 * time.Second):
			require.FailNow(t, "a span is missing", "%v", byName)
		}
	}
	require.Len(t, byName["route job.fail"], 1)
	require.Len(t, byName["deliver webhook"], 2)
	route := byName["route job.fail"][0]
	require.Equal(t, producer, hex.EncodeToString(route.GetParentSpanId()))
	for i, span := range byName["deliver webhook"] {
		require.Equal(t, hex.EncodeToString(route.GetSpanId()), hex.EncodeToString(span.GetParentSpanId()))
		require.Equal(t, hex.EncodeToString(span.GetSpanId()), sentBy(t, attempts[i]))
	}
	require.Equal(t, trace.Status_STATUS_CODE_ERROR, byName["deliver webhook"][0].GetStatus().GetCode())
	require.Equal(t, trace.Status_STATUS_CODE_UNSET, byName["deliver webhook"][1].GetStatus().GetCode())
	require.Contains(t, worker.err.String(), `"trace":"`+traceID+`"`, "the log leads to the trace")
}

// Without a collector a trace is passed on as it came, and nothing else is sent.
func TestATraceIsPassedOnWithoutACollector(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	start(t, s.workerArgs()...)
	s.publish("job.fail", "--traceparent", traceparent)
	require.Equal(t, producer, sentBy(t, s.eventually(1)[0]))
	s.publish("job.backon")
	require.NotContains(t, strings.ToLower(s.eventually(2)[1].Raw), "traceparent", "nobody traces it")
}

// A collector that is away, or none at all, holds up no delivery and no end.
func TestACollectorThatIsAwayHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker := start(t, s.workerArgs("--otlp-endpoint", "http://127.0.0.1:1")...)
	s.publish("job.fail")
	s.eventually(1)
	require.Equal(t, exitDone, worker.stop())
	code, _, stderr := tocsin(t, "", s.workerArgs("--otlp-endpoint", "collector:4318")...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "OTEL_EXPORTER_OTLP_ENDPOINT")
}
