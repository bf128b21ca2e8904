package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

func TestRedacted(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"name":"Ledger","status":2,"link":"https://a.example/?x=1"}`: `{"name":"Ledger","status":2,"link":"https://a.example/?x=1"}`,
		`{"redeploy_hook": "https://h.example/SECRET" , "name":"n"}`:   `{"redeploy_hook": "…" , "name":"n"}`,
		`{"git":"https://u:SECRET@g.example/r.git"}`:                   `{"git":"https://…@g.example/r.git"}`,
		`{"params":{"command":"SECRET","n":[1,"SECRET"]},"name":"n"}`:  `{"params":{"command":"…","n":["…","…"]},"name":"n"}`,
		`{"a":[{"API_Key":"SECRET"},{"b":"c"}],"d":"e"}`:               `{"a":[{"API_Key":"…"},{"b":"c"}],"d":"e"}`,
		`{"token":12345,"pin_key":true,"key":null,"name":7}`:           `{"token":"…","pin_key":"…","key":null,"name":7}`,
		`{"password":"a\"SECRET\\","name":"n"}`:                        `{"password":"…","name":"n"}`,
		`{"secrets":["SECRET",["SECRET"]],"names":["n"]}`:              `{"secrets":["…",["…"]],"names":["n"]}`,
		"{\"token\"\n\t: \"SECRET\"}":                                  "{\"token\"\n\t: \"…\"}",
		`{"token":"SECRET`:                                             `{"token":"…"`,
		`{"git":"https:\/\/u:SECRET@g.example\/r"}`:                    `{"git":"https:\/\/…@g.example\/r"}`,
		`not JSON at all: https://u:SECRET@g.example/`:                 `not JSON at all: https://…@g.example/`,
		`{"name":"tokens of secrets"}`:                                 `{"name":"tokens of secrets"}`,
		``:                                                             ``,
	} {
		require.Equal(t, want, string(schema.Redacted([]byte(data))))
	}
}

func TestRedactedSamples(t *testing.T) {
	t.Parallel()
	for _, kind := range schema.Types() {
		sample, err := schema.Sample(kind.Name)
		require.NoError(t, err)
		redacted := string(schema.Redacted(sample.Data))
		require.True(t, json.Valid([]byte(redacted)), redacted)
		require.NotRegexp(t, `"redeploy_hook":\s*"[^"…]`, redacted)
	}
}

func FuzzRedacted(f *testing.F) {
	f.Add([]byte(`{"a":{"token":["x",{"b":1}]},"c":"://u:p@h"}`))
	f.Add([]byte(`]]}{"key`))
	f.Add([]byte("\"\\"))
	f.Add([]byte{0xff, '"', ':'})
	f.Fuzz(func(t *testing.T, data []byte) {
		redacted := schema.Redacted(data)
		if json.Valid(data) {
			require.True(t, json.Valid(redacted), "%s", redacted)
		}
		// Whatever stands under a name of a credential is gone.
		planted, err := json.Marshal(map[string]any{"api_token": string(data) + "CANARY", "list_of_keys": []any{map[string]string{"x": "CANARY"}}})
		require.NoError(t, err)
		require.False(t, strings.Contains(string(schema.Redacted(planted)), "CANARY"))
	})
}
