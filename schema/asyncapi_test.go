package schema_test

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tocsin/schema"
)

func asyncAPI(t *testing.T) map[string]any {
	t.Helper()
	var document map[string]any
	require.NoError(t, yaml.Unmarshal(schema.AsyncAPI(), &document))
	return document
}

// at walks a document by names.
func at(t *testing.T, document any, names ...string) any {
	t.Helper()
	for _, name := range names {
		object, ok := document.(map[string]any)
		require.True(t, ok, "above %s of %v", name, names)
		require.Contains(t, object, name)
		document = object[name]
	}
	return document
}

func TestAsyncAPIListsEveryType(t *testing.T) {
	t.Parallel()
	document := asyncAPI(t)
	require.Equal(t, "3.0.0", document["asyncapi"])
	require.Equal(t, schema.EventSubject("{type}"), at(t, document, "channels", "events", "address"))
	require.Equal(t, schema.DeadEventSubject("{type}"), at(t, document, "channels", "deadEvents", "address"))
	require.Equal(t, schema.DeadSubject("{channel}", "{type}"), at(t, document, "channels", "deadLetters", "address"))

	messages := at(t, document, "channels", "events", "messages").(map[string]any)
	require.Len(t, messages, 2*len(schema.Types()))
	var named []any
	for _, kind := range schema.Types() {
		named = append(named, kind.Name)
		require.Contains(t, messages, kind.Name+".binary")
		message := at(t, document, "components", "messages", kind.Name)
		require.Equal(t, kind.Meaning, at(t, message, "title"))
		require.Equal(t, kind.Name, at(t, message, "payload", "schema", "properties", "type", "const"))
		require.Equal(t, "json/"+kind.Name+".json", at(t, message, "payload", "schema", "properties", "data", "$ref"))
	}
	require.Equal(t, named, at(t, document, "components", "parameters", "type", "enum"))
}

func TestAsyncAPIRefersToWhatExists(t *testing.T) {
	t.Parallel()
	document := asyncAPI(t)
	found := references(document)
	require.NotEmpty(t, found)
	for _, reference := range found {
		file, pointer, _ := strings.Cut(reference, "#")
		var target any = document
		if file != "" {
			target = readSchema(t, strings.TrimPrefix(file, "json/"))
		}
		if pointer != "" {
			at(t, target, strings.Split(strings.TrimPrefix(pointer, "/"), "/")...)
		}
	}
}

func TestAsyncAPICarriesEveryAttribute(t *testing.T) {
	t.Parallel()
	headers := at(t, asyncAPI(t), "components", "schemas", "attributes", "schema", "properties").(map[string]any)
	properties := at(t, readSchema(t, "envelope.json"), "properties").(map[string]any)
	delete(properties, "data")
	require.Len(t, headers, len(properties))
	for name := range properties {
		require.Contains(t, headers, "ce-"+name)
	}
}

func readSchema(t *testing.T, file string) any {
	t.Helper()
	text, err := fs.ReadFile(schema.Schemas(), file)
	require.NoError(t, err)
	var document any
	require.NoError(t, json.Unmarshal(text, &document))
	return document
}

func references(node any) []string {
	var found []string
	switch node := node.(type) {
	case map[string]any:
		if reference, ok := node["$ref"].(string); ok {
			found = append(found, reference)
		}
		for _, child := range node {
			found = append(found, references(child)...)
		}
	case []any:
		for _, child := range node {
			found = append(found, references(child)...)
		}
	}
	return found
}
