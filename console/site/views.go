package site

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"go.uber.org/zap"
)

//go:embed templates
var shared embed.FS

// Views are the templates of some pages.
type Views struct{ templates *template.Template }

// ParseViews reads templates/*.html of files, with what all pages share:
//
//	head           the head of a page whose data have Title, Tab, Prefix and Home;
//	               the pages define "name", which follows the title, and "more",
//	               which ends the head
//	problem.html   a page of its own with Title and Text
//	asset, icon    the address of a file that all pages share; a channel's picture
//	entry          what a template of one field of a form shows
//	machine        a time as programs read it
func ParseViews(files fs.FS) Views {
	t := template.New("").Funcs(template.FuncMap{
		"asset": assetURL, "icon": icon, "machine": MachineTime, "plusOne": func(n int) int { return n + 1 },
		"entry": entry,
	})
	template.Must(t.ParseFS(shared, "templates/*.html"))
	return Views{template.Must(t.ParseFS(files, "templates/*.html"))}
}

// Show answers with a template. Nothing is sent before it is whole.
func (v Views) Show(w http.ResponseWriter, code int, name string, view any, log *zap.Logger) {
	var body bytes.Buffer
	if err := v.templates.ExecuteTemplate(&body, name, view); err != nil {
		log.Error("show a page", zap.String("template", name), zap.Error(err))
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = body.WriteTo(w) // the reader may have left
}

// entry is what a template of one field of a form shows.
func entry(label, name string, value any, options ...any) map[string]any {
	e := map[string]any{"Label": label, "Name": name, "Value": value}
	if len(options) > 0 {
		e["Options"] = options[0]
	}
	return e
}

// MachineTime is a time as programs read it: RFC 3339, UTC, to the second.
func MachineTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
