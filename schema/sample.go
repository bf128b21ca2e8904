package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
)

// sampleSource is the source of samples, unless the caller sets another.
const sampleSource = "/tocsin/sample"

// Sample is an event of this type as the platform could have sent it: the
// example of the type's schema, with the attributes for people. ID, Account and
// Time are the caller's to set. Types that answer each other (server.stopped
// and server.backon, job.fail and job.backon) are about the same resource.
func Sample(typeName string) (Event, error) {
	t, ok := TypeNamed(typeName)
	if !ok {
		return Event{}, fmt.Errorf("make sample of %q: no such event type", typeName)
	}
	data, err := exampleData(typeName)
	if err != nil {
		return Event{}, fmt.Errorf("make sample of %q: %w", typeName, err)
	}
	e := Event{Source: sampleSource, Type: typeName, Data: data}
	e.Subject = e.Resource()
	names := sampleNames[t.Group]
	e.ResourceName, e.StackName = names.resource, names.stack
	e.Link = "https://paas.example.com/" + e.Subject
	return e, nil
}

func exampleData(typeName string) (json.RawMessage, error) {
	text, err := fs.ReadFile(Schemas(), typeName+".json")
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	var document struct {
		Examples [1]json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("decode schema: %w", err)
	}
	var data bytes.Buffer
	if err := json.Compact(&data, document.Examples[0]); err != nil {
		return nil, fmt.Errorf("decode example: %w", err)
	}
	return data.Bytes(), nil
}

// sampleNames go with the examples of the schemas, by group of types.
var sampleNames = map[string]struct{ resource, stack string }{
	"stack":   {"Harbour", "Harbour"},
	"server":  {"lynx", "Harbour"},
	"job":     {"nightly-invoices", "Harbour"},
	"process": {"worker", "Harbour"},
	"app":     {"Release board", ""},
}
