package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"
)

var (
	//go:embed templates
	templateFiles embed.FS
	//go:embed assets
	assetFiles embed.FS
	//go:embed icons
	iconFiles embed.FS
)

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"asset": assetURL, "icon": icon, "machine": machineTime, "plusOne": func(n int) int { return n + 1 },
}).ParseFS(templateFiles, "templates/*.html"))

const assetsPath = "/settings-assets/"

// assetHashes are a part of the addresses, so that browsers keep what they have
// and ask for what has changed.
var assetHashes = hashAssets()

func hashAssets() map[string]string {
	hashes := map[string]string{}
	_ = fs.WalkDir(assetFiles, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := assetFiles.ReadFile(name)
		sum := sha256.Sum256(content)
		hashes[path.Base(name)] = hex.EncodeToString(sum[:6])
		return err
	})
	return hashes
}

func assetURL(prefix, name string) string {
	return prefix + assetsPath + name + "?" + assetHashes[name]
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery == assetHashes[r.PathValue("file")] && r.URL.RawQuery != "" {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, assetFiles, path.Join("assets", path.Base(r.PathValue("file"))))
}

// icon is a channel's picture, or a general one for a channel without.
func icon(channel string) template.HTML {
	for _, name := range [...]string{channel, "channel"} {
		if picture, err := iconFiles.ReadFile(path.Join("icons", path.Base(name)+".svg")); err == nil {
			return template.HTML(picture) //nolint:gosec // a file of ours
		}
	}
	return ""
}

// layout is what all pages share. Embed it in what a template shows.
type layout struct {
	Title  string
	Prefix string // of addresses
	Home   string // the user's pages; empty where there is no session
	Tab    string
	Who    string
	Status status
	zone   *time.Location
}

// status is what was done by the request, or why it was not.
type status struct {
	Text string
	Bad  bool
	Undo changes // take it back
}

func (p *Pages) layout(v visit, title, tab string) layout {
	who := v.profile.Name
	if who == "" {
		who = v.profile.Email
	}
	return layout{Title: title, Prefix: p.prefix, Home: p.home(v.user), Tab: tab, Who: who, zone: zoneOf(v.profile.TimeZone)}
}

func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// When says a moment in the user's time zone, by the day if it is another one.
func (l layout) When(t time.Time) string {
	t, now := t.In(l.zone), time.Now().In(l.zone)
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return "today, " + t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("2 Jan, 15:04:05")
	}
	return t.Format("2 Jan 2006, 15:04")
}

// Zone names the time zone of all times on the page.
func (l layout) Zone() string { return strings.ReplaceAll(l.zone.String(), "_", " ") }

func machineTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// show answers with a template. Nothing is sent before it is whole.
func (p *Pages) show(w http.ResponseWriter, code int, name string, view any) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, view); err != nil {
		p.Log.Error("show a settings page", zap.String("template", name), zap.Error(err))
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = body.WriteTo(w) // the reader may have left
}
