package dev

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"tocsin/schema"
)

// everyType stands for all types, where one is named in the address of the page.
const everyType = "all"

func (p *page) publishOne(w http.ResponseWriter, r *http.Request) {
	kind, ok := schema.TypeNamed(r.PathValue("type"))
	if !ok {
		http.Error(w, "There is no event type of this name.", http.StatusNotFound)
		return
	}
	p.publishTypes(w, r, kind.Name, []schema.Type{kind})
}

func (p *page) publishAll(w http.ResponseWriter, r *http.Request) {
	p.publishTypes(w, r, everyType, schema.Types())
}

// publishTypes goes back to the page if a form was posted, and answers a
// program in JSON.
func (p *page) publishTypes(w http.ResponseWriter, r *http.Request, label string, types []schema.Type) {
	published := make([]string, 0, len(types))
	for _, kind := range types {
		if err := p.publish(r.Context(), kind.Name); err != nil {
			http.Error(w, fmt.Sprintf("%s could not be published: %v", kind.Name, err), http.StatusBadGateway)
			return
		}
		published = append(published, kind.Name)
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/?published="+url.QueryEscape(label), http.StatusSeeOther)
		return
	}
	writeJSON(w, map[string][]string{"published": published})
}

// publishedNotice is the sentence on the page after a form was posted.
func publishedNotice(label string) string {
	if label == everyType {
		return "Published one event of each type."
	}
	if kind, ok := schema.TypeNamed(label); ok {
		return "Published " + kind.Name + "."
	}
	return ""
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the caller may have gone
}
