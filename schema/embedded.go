package schema

import (
	"embed"
	"io/fs"
	"slices"
)

//go:embed json/*.json
var embedded embed.FS

//go:embed asyncapi.yaml
var asyncAPI []byte

// Schemas holds the JSON Schemas (2020-12): envelope.json, resources.json and
// <type>.json for the data of each event type. They refer to each other by
// file name, so any folder can serve them.
func Schemas() fs.FS {
	schemas, err := fs.Sub(embedded, "json")
	if err != nil {
		panic(err) // fs.Sub objects to malformed folder names only
	}
	return schemas
}

// AsyncAPI returns the AsyncAPI 3.0 document of all subjects, in YAML. It
// refers to the files of [Schemas] as json/<file>: serve them in a folder of
// that name beside it.
func AsyncAPI() []byte { return slices.Clone(asyncAPI) }
