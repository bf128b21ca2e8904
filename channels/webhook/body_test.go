package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

func TestBody(t *testing.T) {
	t.Parallel()
	const ours = `{"timestamp":1640995200,"event_type":"stack.redeploy.ok"`
	for name, c := range map[string]struct{ data, want string }{
		"members follow ours": {
			`{"uid":"5999b763474b0eafa5fafb64bff0ba80"}`,
			ours + `,"uid":"5999b763474b0eafa5fafb64bff0ba80"}`,
		},
		"empty object":            {`{}`, ours + `}`},
		"empty object with space": {" {\n} ", ours + "\n}"},
		"spacing stays":           {"{\n  \"a\" : 1 ,\n  \"b\":[ ]\n}\n", ours + ",\n  \"a\" : 1 ,\n  \"b\":[ ]\n}"},
		"integers past 2^53":      {`{"id":9007199254740993,"f":1.0,"e":1E2}`, ours + `,"id":9007199254740993,"f":1.0,"e":1E2}`},
		"escapes and line separators stay": {
			"{\"a\":\"\\u003cb\\/\\\"}\u2028<&\"}",
			ours + ",\"a\":\"\\u003cb\\/\\\"}\u2028<&\"}",
		},
		"same name first":   {`{"timestamp":"x","a":1}`, ours + `,"a":1}`},
		"same name between": {`{"a":1, "event_type":{"b":[1,2]}, "c":3}`, ours + `,"a":1, "c":3}`},
		"same name last":    {`{"a":1,"timestamp":null }`, ours + `,"a":1}`},
		"same names alone":  {`{ "timestamp":1 , "event_type":2 }`, ours + `}`},
		"same name twice":   {`{"timestamp":1,"a":1,"timestamp":2}`, ours + `,"a":1}`},
		"same name escaped": {`{"\u0074imestamp":1,"event\u005Ftype":2,"a":3}`, ours + `,"a":3}`},
		"other names":       {`{"Timestamp":1,"event_type ":2,"times\\tamp":3}`, ours + `,"Timestamp":1,"event_type ":2,"times\\tamp":3}`},
		"same names further down stay": {
			`{"a":{"timestamp":1,"event_type":"x"},"b":[{"timestamp":2}],"c":"\"timestamp\":1"}`,
			ours + `,"a":{"timestamp":1,"event_type":"x"},"b":[{"timestamp":2}],"c":"\"timestamp\":1"}`,
		},
		"empty name": {`{"":"\\"}`, ours + `,"":"\\"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := schema.Event{Type: "stack.redeploy.ok", Time: time.Unix(1640995200, 0), Data: []byte(c.data)}
			body, err := Body(e)
			require.NoError(t, err)
			require.Equal(t, c.want, string(body))
			require.True(t, json.Valid(body))
			require.Equal(t, c.data, string(e.Data), "the event is left as it was")
			again, err := Body(e)
			require.NoError(t, err)
			require.Equal(t, body, again)
		})
	}
}

func TestBodyRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, ` `, `null`, `[]`, `"{}"`, `1`, `{`, `{"a":1}}`, `{"a"}`, "{}\u00a0"} {
		_, err := Body(schema.Event{Type: "job.fail", Data: []byte(data)})
		require.Error(t, err, "data %q", data)
	}
}

// FuzzBody holds Body to what encoding/json reads out of data and body.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, `{"timestamp":1,"a":{"timestamp":2}}`, `{"\u0074imestamp":[],"b":""}`,
		"{ \"a\" : [ {} ] ,\r\n\t\"event_type\" : null }", `{"a":12345678901234567890,"a":1e-9}`, `{"\\":"\"}","\"":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e := schema.Event{Type: "job.fail", Time: time.Unix(1751846400, 0), Data: data}
		body, err := Body(e)
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) != nil || object == nil {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		want := []jsonMember{{"timestamp", "1751846400"}, {"event_type", `"job.fail"`}}
		for _, m := range topLevel(t, data) {
			if m.name != "timestamp" && m.name != "event_type" {
				want = append(want, m)
			}
		}
		require.Equal(t, want, topLevel(t, body))
	})
}

type jsonMember struct{ name, value string }

// topLevel lists an object's members in order, their values byte for byte.
func topLevel(t *testing.T, object []byte) []jsonMember {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(object))
	_, err := decoder.Token()
	require.NoError(t, err)
	var all []jsonMember
	for decoder.More() {
		name, err := decoder.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, decoder.Decode(&value))
		all = append(all, jsonMember{name.(string), string(value)})
	}
	_, err = decoder.Token()
	require.NoError(t, err)
	_, err = decoder.Token()
	require.ErrorIs(t, err, io.EOF)
	return all
}

func BenchmarkBody(b *testing.B) {
	e := schema.Event{Type: "stack.redeploy.ok", Time: time.Unix(1751846400, 0)}
	e.Data = []byte(`{"uid":"5999b763474b0eafa5fafb64bff0ba80",` + strings.Repeat(`"member":{"a":[1,2,3],"b":"text"},`, 40) + `"last":1}`)
	for b.Loop() {
		if _, err := Body(e); err != nil {
			b.Fatal(err)
		}
	}
}
