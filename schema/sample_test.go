package schema_test

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

func typeNames() []string {
	var names []string
	for _, t := range schema.Types() {
		names = append(names, t.Name)
	}
	return names
}

func sample(t testing.TB, typeName string) schema.Event {
	t.Helper()
	e, err := schema.Sample(typeName)
	require.NoError(t, err)
	e.ID, e.Account, e.Time = "evt-1", "acme", stored
	return e
}

func TestEverySampleIsAnEventInBothModes(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	for _, typeName := range typeNames() {
		t.Run(typeName, func(t *testing.T) {
			t.Parallel()
			want := sample(t, typeName)
			require.NotEmpty(t, want.ResourceName)
			require.NotEmpty(t, want.Link)
			require.NotContains(t, string(want.Data), "\n")

			body, err := want.Structured()
			require.NoError(t, err)
			got, err := v.Parse(schema.Message{Subject: schema.EventSubject(typeName), Body: body})
			require.NoError(t, err)
			require.Equal(t, want, got)

			got, err = v.Parse(schema.Message{Subject: schema.EventSubject(typeName), Header: want.Header(), Body: want.Data})
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestSamplesHoldNoSecret(t *testing.T) {
	t.Parallel()
	for _, typeName := range typeNames() {
		var data map[string]any
		require.NoError(t, json.Unmarshal(sample(t, typeName).Data, &data))
		require.Nil(t, data["redeploy_hook"], typeName)
		require.NotContains(t, data, "ssh_private_key", typeName)
	}
}

func TestSampleOfNoType(t *testing.T) {
	t.Parallel()
	_, err := schema.Sample("../types")
	require.EqualError(t, err, `make sample of "../types": no such event type`)
}

func TestEachTypeHasASchemaAndNothingElseHas(t *testing.T) {
	t.Parallel()
	want := []string{"envelope.json", "resources.json"}
	for _, name := range typeNames() {
		want = append(want, name+".json")
	}
	got, err := fs.Glob(schema.Schemas(), "*")
	require.NoError(t, err)
	slices.Sort(want)
	require.Equal(t, want, got)
}

func TestSchemasDescribeThemselves(t *testing.T) {
	t.Parallel()
	for _, typeName := range typeNames() {
		text, err := fs.ReadFile(schema.Schemas(), typeName+".json")
		require.NoError(t, err)
		var document struct {
			Schema      string            `json:"$schema"`
			Title       string            `json:"title"`
			Description string            `json:"description"`
			Examples    []json.RawMessage `json:"examples"`
		}
		require.NoError(t, json.Unmarshal(text, &document))
		require.Equal(t, "https://json-schema.org/draft/2020-12/schema", document.Schema, typeName)
		require.NotEmpty(t, document.Title, typeName)
		require.True(t, strings.HasSuffix(document.Description, "."), typeName)
		require.Len(t, document.Examples, 1, typeName)
	}
}

func TestExampleOfTheEnvelopeIsAnEvent(t *testing.T) {
	t.Parallel()
	text, err := fs.ReadFile(schema.Schemas(), "envelope.json")
	require.NoError(t, err)
	var document struct {
		Examples []json.RawMessage `json:"examples"`
	}
	require.NoError(t, json.Unmarshal(text, &document))
	require.Len(t, document.Examples, 1)
	_, err = newValidator(t).Parse(message(nil, string(document.Examples[0])))
	require.NoError(t, err)
}
