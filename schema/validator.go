package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaRoot is where the compiler believes the schemas to be, for it resolves
// references between them against an absolute address.
const schemaRoot = "embedded:///"

// Validator reads events from messages. It holds the compiled schemas.
type Validator struct {
	envelope *jsonschema.Schema
	data     map[string]*jsonschema.Schema // by event type
}

// NewValidator compiles the embedded schemas, which takes some milliseconds:
// make one and share it.
func NewValidator() (*Validator, error) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(loader{Schemas()})
	envelope, err := compiler.Compile(schemaRoot + "envelope.json")
	if err != nil {
		return nil, fmt.Errorf("compile schema of the envelope: %w", err)
	}
	v := &Validator{envelope: envelope, data: make(map[string]*jsonschema.Schema, len(types))}
	for _, t := range types {
		if v.data[t.Name], err = compiler.Compile(schemaRoot + t.Name + ".json"); err != nil {
			return nil, fmt.Errorf("compile schema of %s: %w", t.Name, err)
		}
	}
	return v, nil
}

// check validates p as an event of this type.
func (v *Validator) check(p published, typeName string) error {
	if err := v.envelope.Validate(p.envelope); err != nil {
		return v.reason("", err)
	}
	if p.envelope["type"] != typeName {
		return errors.New("type: differs from the type in the subject")
	}
	if err := v.data[typeName].Validate(p.envelope["data"]); err != nil {
		return v.reason("data", err)
	}
	return nil
}

// loader reads schemas for the compiler, from a file system and nowhere else.
type loader struct{ files fs.FS }

// Load is called with absolute addresses below schemaRoot.
func (l loader) Load(url string) (any, error) {
	file, err := l.files.Open(strings.TrimPrefix(url, schemaRoot))
	if err != nil {
		return nil, fmt.Errorf("open schema: %w", err)
	}
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		return nil, fmt.Errorf("decode schema %s: %w", url, err)
	}
	return document, nil
}
