package schema_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/schema"
)

// text draws what attributes may hold: anything but control characters.
func text(minRunes, maxRunes int) *rapid.Generator[string] {
	printable := rapid.Rune().Filter(func(r rune) bool { return !unicode.IsControl(r) })
	return rapid.StringOfN(printable, minRunes, maxRunes, -1)
}

// object draws the text of a JSON object in one of many spellings.
func object() *rapid.Generator[json.RawMessage] {
	return rapid.Custom(func(t *rapid.T) json.RawMessage {
		members := rapid.MapOfN(rapid.StringMatching(`[a-z<>]{4,9}`), rapid.String(), 0, 4).Draw(t, "members")
		data, err := json.MarshalIndent(members, "", rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent"))
		require.NoError(t, err)
		return json.RawMessage(strings.ReplaceAll(string(data), `\u003c`, "<"))
	})
}

func validEvent() *rapid.Generator[schema.Event] {
	earliest, latest := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).Unix()
	return rapid.Custom(func(t *rapid.T) schema.Event {
		at := time.Unix(rapid.Int64Range(earliest, latest).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		return schema.Event{
			ID:           text(1, 512).Draw(t, "id"),
			Source:       text(1, 512).Draw(t, "source"),
			Type:         rapid.SampledFrom(typeNames()).Draw(t, "type"),
			Account:      rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "account"),
			User:         rapid.StringMatching(`[A-Za-z0-9_-]{0,64}`).Draw(t, "user"),
			Subject:      text(0, 256).Draw(t, "subject"),
			Time:         at.UTC(),
			ResourceName: text(0, 256).Draw(t, "resourcename"),
			StackName:    text(0, 256).Draw(t, "stackname"),
			Link:         text(0, 300).Draw(t, "link"),
			TraceParent:  rapid.StringMatching(`(00-[1-9a-f]{32}-[1-9a-f]{16}-[0-9a-f]{2})?`).Draw(t, "traceparent"),
			Data:         object().Draw(t, "data"),
		}
	})
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	rapid.Check(t, func(t *rapid.T) {
		want := validEvent().Draw(t, "event")
		subject := schema.EventSubject(want.Type)

		body, err := want.Structured()
		require.NoError(t, err)
		got, err := v.Parse(schema.Message{Subject: subject, Body: body})
		require.NoError(t, err)
		require.Equal(t, want, got)

		got, err = v.Parse(schema.Message{Subject: subject, Header: want.Header(), Body: want.Data})
		require.NoError(t, err)
		require.Equal(t, want, got)

		got, err = schema.ReadEvent(want.Header(), want.Data)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestHeadersArePrintableASCII(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for name, values := range validEvent().Draw(t, "event").Header() {
			require.Regexp(t, `^ce-[a-z]+$`, name)
			require.Len(t, values, 1)
			require.Regexp(t, `^[!#-~]+$`, values[0])
		}
	})
}

func TestHeaderWritesTheBinding(t *testing.T) {
	t.Parallel()
	e := schema.Event{
		ID: "a b", Source: "/s", Type: "job.fail", Account: "acme",
		Time: time.Date(2026, 3, 9, 15, 0, 0, 120_000_000, time.FixedZone("", 3600)), ResourceName: "50% \"é\"",
	}
	require.Equal(t, schema.Header{
		"ce-specversion":     {"1.0"},
		"ce-id":              {"a%20b"},
		"ce-source":          {"/s"},
		"ce-type":            {"job.fail"},
		"ce-account":         {"acme"},
		"ce-time":            {"2026-03-09T14:00:00.12Z"},
		"ce-resourcename":    {"50%25%20%22%C3%A9%22"},
		"ce-datacontenttype": {"application/json"},
	}, e.Header())
}

func TestStructuredLeavesDataUntouched(t *testing.T) {
	t.Parallel()
	e := sample(t, "job.fail")
	e.Data = json.RawMessage("{ \"a\" : 1e2,\"b\":\"<\\u003c\u2028\",\"a\":9007199254740993 }")
	body, err := e.Structured()
	require.NoError(t, err)
	require.Contains(t, string(body), `"data":`+string(e.Data)+"}")

	e.Data = json.RawMessage(`{"a":`)
	_, err = e.Structured()
	require.EqualError(t, err, `write event of type "job.fail": data is not JSON`)
}

func TestReadEventRefusesWhatHeaderDidNotWrite(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header schema.Header
		reason string
	}{
		"no id":      {schema.Header{"ce-id": {}}, "id: is missing"},
		"no account": {schema.Header{"ce-account": {""}}, "account: is missing"},
		"no time":    {schema.Header{"ce-time": {}}, "time: must be a date and time of RFC 3339"},
		"two users":  {schema.Header{"ce-user": {"a", "b"}}, "user: appears more than once, with different values"},
		"encoding":   {schema.Header{"ce-link": {"%"}}, "link: is not percent-encoded UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := sample(t, "job.fail")
			h := e.Header()
			for name, values := range test.header {
				h[name] = values
			}
			_, err := schema.ReadEvent(h, e.Data)
			require.EqualError(t, err, "read event from headers: "+test.reason)
		})
	}
}

// The account is found by a quick look too, in either content mode.
func TestAccountOfAnEvent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		event := validEvent().Draw(t, "event")
		body, err := event.Structured()
		require.NoError(t, err)
		require.Equal(t, event.Account, schema.AccountOf(schema.Message{Body: body}))
		require.Equal(t, event.Account, schema.AccountOf(schema.Message{Header: event.Header(), Body: event.Data}))
	})
	for _, nobody := range []string{"", "{", "[]", `{"account":7}`, `"account"`, "\xff"} {
		require.Empty(t, schema.AccountOf(schema.Message{Body: []byte(nobody)}), nobody)
	}
}
