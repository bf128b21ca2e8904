package schema_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestTraceParentIsReadAndPassedOn(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	event, err := schema.Sample("job.fail")
	require.NoError(t, err)
	event.ID, event.Account = "e1", "acme"
	parse := func(header schema.Header, body []byte) schema.Event {
		e, err := v.Parse(schema.Message{Subject: "tocsin.events.job.fail", Header: header, Body: body})
		require.NoError(t, err)
		return e
	}
	with := func(name, value string) schema.Header {
		h := event.Header()
		h[name] = []string{value}
		return h
	}
	for name, c := range map[string]struct {
		header schema.Header
		want   string
	}{
		"none":                        {event.Header(), ""},
		"attribute":                   {with("ce-traceparent", traceParent), traceParent},
		"header of a library":         {with("traceparent", traceParent), traceParent},
		"header in other letters":     {with("Traceparent", traceParent), traceParent},
		"malformed":                   {with("ce-traceparent", "00-0af7-b7ad-01"), ""},
		"upper case":                  {with("ce-traceparent", "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01"), ""},
		"a trace of zeros":            {with("ce-traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"), ""},
		"a span of zeros":             {with("ce-traceparent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"), ""},
		"a version that is not known": {with("ce-traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ""},
		"longer than it can be":       {with("ce-traceparent", traceParent+"-more"), ""},
	} {
		got := parse(c.header, event.Data)
		require.Equal(t, c.want, got.TraceParent, name)
		again, err := schema.ReadEvent(got.Header(), got.Data)
		require.NoError(t, err)
		require.Equal(t, c.want, again.TraceParent, name)
	}

	event.TraceParent = traceParent
	body, err := event.Structured()
	require.NoError(t, err)
	require.Equal(t, traceParent, parse(nil, body).TraceParent)
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", event.Trace())
	require.Empty(t, schema.Event{}.Trace())
	require.Empty(t, parse(nil, []byte(`{"specversion":"1.0","id":"e1","source":"s","type":"job.fail","account":"acme","traceparent":7,"data":`+string(event.Data)+`}`)).TraceParent,
		"no event is refused for its trace")
}

// FuzzTraceParent compares with the form as the W3C writes it down.
func FuzzTraceParent(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("00-00000000000000000000000000000000-00f067aa0ba902b7-01")
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-00")
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e473\xff-00f067aa0ba902b7-01")
	form := regexp.MustCompile(`\A00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\z`)
	zeros := regexp.MustCompile(`-0+-`)
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, form.MatchString(s) && !zeros.MatchString(s), schema.IsTraceParent(s))
	})
}
