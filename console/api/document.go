package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var pageText string

//go:embed docs.css
var style []byte

var pageTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{"shape": shape}).Parse(pageText))

// Document is the OpenAPI 3.1 document.
func (a *API) Document() ([]byte, error) {
	// Problems tell no values, see withoutValues.
	if detail := a.huma.OpenAPI().Components.Schemas.Map()["ErrorDetail"]; detail != nil {
		delete(detail.Properties, "value")
	}
	document, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return document, nil
}

// call is one operation, for the page.
type call struct {
	Method, Path string
	*huma.Operation
	Sends *huma.Schema // nil: nothing
	Gives *huma.Schema // nil: nothing
	Good  string       // the status of success
}

type topic struct {
	Name  string
	Calls []call
}

// page renders what a person reads.
func (a *API) page([]byte) ([]byte, error) {
	var page bytes.Buffer
	err := pageTemplate.Execute(&page, map[string]any{
		"Info": a.huma.OpenAPI().Info, "Topics": a.topics(),
		"Schemas": a.huma.OpenAPI().Components.Schemas.Map(),
	})
	if err != nil {
		return nil, fmt.Errorf("write the page about the API: %w", err)
	}
	return page.Bytes(), nil
}

func (a *API) topics() []topic {
	var topics []topic
	paths := a.huma.OpenAPI().Paths
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for _, o := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if o == nil {
				continue
			}
			nth := slices.IndexFunc(topics, func(t topic) bool { return t.Name == o.Tags[0] })
			if nth < 0 {
				topics, nth = append(topics, topic{Name: o.Tags[0]}), len(topics)
			}
			topics[nth].Calls = append(topics[nth].Calls, callOf(path, o))
		}
	}
	return topics
}

func callOf(path string, o *huma.Operation) call {
	c := call{Method: o.Method, Path: path, Operation: o}
	if o.RequestBody != nil {
		c.Sends = contentOf(o.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if strings.HasPrefix(status, "2") {
			c.Good, c.Gives = status, contentOf(o.Responses[status].Content)
			return c
		}
	}
	return c
}

func contentOf(content map[string]*huma.MediaType) *huma.Schema {
	if json := content["application/json"]; json != nil {
		return json.Schema
	}
	return nil
}

// shape is a schema in short: "string", "Target[]", "map of boolean".
func shape(s *huma.Schema) string {
	switch {
	case s == nil:
		return "anything"
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Type == huma.TypeArray:
		return shape(s.Items) + "[]"
	case s.Type == huma.TypeObject && len(s.Properties) == 0:
		inner, _ := s.AdditionalProperties.(*huma.Schema)
		return "object of " + shape(inner)
	case len(s.AnyOf) > 0:
		var all []string
		for _, one := range s.AnyOf {
			all = append(all, shape(one))
		}
		return strings.Join(all, " or ")
	case s.Format != "":
		return s.Type + ", " + s.Format
	}
	return s.Type
}

// static answers with what does not change while the process runs.
func static(contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write(body) // whoever has left hears nothing
	})
}
