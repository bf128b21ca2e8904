package ops

import (
	"embed"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/audit"
	"tocsin/console/site"
)

//go:embed templates
var templateFiles embed.FS

var views = site.ParseViews(templateFiles)

// layout is what all pages share. Embed it in what a template shows.
type layout struct {
	Title  string
	Prefix string // of addresses
	Home   string // the console; empty where nobody is signed in
	Tab    string
	Who    string
	Role   Role
	Status status
}

// status is what was done by the request, or why it was not.
type status struct {
	Text string
	Bad  bool
}

func (c *Console) layout(v visit, title, tab string) layout {
	return layout{Title: title, Prefix: c.site.Prefix, Home: c.home(), Tab: tab, Who: v.name, Role: v.role}
}

// Operates reports whether the visitor may change anything.
func (l layout) Operates() bool { return l.Role == Operate }

// When says a moment in UTC, by the day if it is another one.
func (l layout) When(t time.Time) string {
	t, now := t.UTC(), time.Now().UTC()
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return "today, " + t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("2 Jan, 15:04:05")
	}
	return t.Format("2 Jan 2006, 15:04")
}

// Number groups the digits of large numbers.
func (l layout) Number(n any) string {
	var digits string
	switch n := n.(type) {
	case int:
		digits = strconv.Itoa(n)
	case uint64:
		digits = strconv.FormatUint(n, 10)
	}
	var grouped strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			grouped.WriteByte(',')
		}
		grouped.WriteRune(d)
	}
	return grouped.String()
}

func (c *Console) show(w http.ResponseWriter, code int, name string, view any) {
	views.Show(w, code, name, view, c.Log)
}

// problem is an answer that is no page of the console.
type problem struct {
	Code        int
	Title, Text string
}

type problemView struct {
	layout
	Text string
}

// fail shows a problem: a page of its own or, to the script, the line of the
// status.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, what problem) {
	view := problemView{layout{Title: what.Title, Prefix: c.site.Prefix}, what.Text}
	name := "problem.html"
	if site.ByScript(r) {
		view.Status = status{Text: what.Title + ". " + what.Text, Bad: true}
		name = "status-alone"
		w.Header().Set("HX-Reswap", "none") // what is shown stays
	}
	c.show(w, what.Code, name, view)
}

func (c *Console) notFound(w http.ResponseWriter, r *http.Request) {
	c.fail(w, r, problem{http.StatusNotFound, "There is no such page", "Go back, or begin at " + c.home() + "."})
}

// unavailable says that a server behind this one did not answer as it should.
func (c *Console) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		c.Log.Error("ops console", zap.String("path", r.URL.Path), zap.Error(err))
	}
	w.Header().Set("Retry-After", "10") // RFC 9110 section 10.2.3, in seconds
	text := "A server behind this one did not answer. The log of this process says which. Try again in a moment."
	if errors.Is(err, audit.ErrUnrecorded) {
		text = "It could not be recorded in the audit stream, and so nothing was done. Is NATS up? Try again in a moment."
	}
	c.fail(w, r, problem{http.StatusServiceUnavailable, "That did not work", text})
}

// readForm reads a posted form, or answers why it cannot.
func (c *Console) readForm(w http.ResponseWriter, r *http.Request) bool {
	err := r.ParseForm()
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		c.fail(w, r, problem{http.StatusRequestEntityTooLarge, "That is too much", "Nothing was changed. The form holds more than this page's."})
	} else if err != nil {
		c.fail(w, r, problem{http.StatusBadRequest, "The form cannot be read", "Nothing was changed. Please reload the page and try again."})
	}
	return err == nil
}

// act does what changes something, for who may: it is recorded before it is done.
// It answers itself, and returns false, if it is refused or cannot be recorded.
// What goes wrong in do is the caller's to answer: done reports whether it ran.
func (c *Console) act(w http.ResponseWriter, r *http.Request, v visit, what, on, detail string, do func() error) (done bool, err error) {
	act := v.act(what, on, detail)
	if v.role != Operate {
		c.trail.Refuse(r.Context(), act, "the role view may look, and not change anything")
		c.fail(w, r, problem{http.StatusForbidden, "Your key may only look", "Nothing was changed. Ask for a key with the role operate."})
		return false, nil
	}
	if err := c.trail.Do(r.Context(), act, do); errors.Is(err, audit.ErrUnrecorded) {
		c.unavailable(w, r, err)
		return false, nil
	} else if err != nil {
		return true, err
	}
	return true, nil
}
