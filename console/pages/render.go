package pages

import (
	"embed"
	"net/http"
	"strings"
	"time"

	"tocsin/console/site"
)

//go:embed templates
var templateFiles embed.FS

var views = site.ParseViews(templateFiles)

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
	return layout{Title: title, Prefix: p.site.Prefix, Home: p.home(v.user), Tab: tab, Who: who, zone: zoneOf(v.profile.TimeZone)}
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

// show answers with a template.
func (p *Pages) show(w http.ResponseWriter, code int, name string, view any) {
	views.Show(w, code, name, view, p.Log)
}
