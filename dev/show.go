package dev

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"

	"tocsin/farend"
	"tocsin/schema"
)

//go:embed page.html cards.html
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"mark": markOf}).
	ParseFS(templateFiles, "page.html", "cards.html"))

// longestColumn is how many cards a far end shows; the rest is at /received.
const longestColumn = 50

// view is what page.html shows.
type view struct {
	About
	Run     string
	Last    int // number of the newest arrival on the page
	Longest int // longestColumn, for the script
	Notice  string
	Groups  []group
	Columns []*column
}

// group is the buttons of one kind of thing.
type group struct {
	Name  string
	Types []schema.Type
}

// mark tells an outcome in three ways, so that nobody has to see colours.
type mark struct{ Class, Symbol, Word string }

func markOf(o schema.Outcome) mark {
	switch o {
	case schema.Good:
		return mark{"good", "✓", "good news"}
	case schema.Bad:
		return mark{"bad", "✕", "bad news"}
	}
	return mark{"neutral", "i", "for information"}
}

// farEnd is where a channel's deliveries arrive. Channel also names the
// template of its cards.
type farEnd struct{ Channel, Label, Empty string }

var farEnds = [...]farEnd{
	{"email", "Inbox", "No mail yet."},
	{"ios", "iPhone", "No push notification yet."},
	{"hipchat", "HipChat room", "The room is quiet."},
	{"webhook", "Webhook", "No request yet."},
}

func isShown(channel string) bool {
	return slices.ContainsFunc(farEnds[:], func(f farEnd) bool { return f.Channel == channel })
}

// column is a far end and what arrived there, newest first.
type column struct {
	farEnd
	Total    int
	Cards    []template.HTML
	OpenMail int // number of the newest mail that can be read; 0: none
}

func (p *page) show(w http.ResponseWriter, r *http.Request) {
	received, _ := p.log.Since(0)
	last := 0
	if len(received) > 0 {
		last = received[len(received)-1].Seq
	}
	columns, err := columnsOf(received)
	var html bytes.Buffer
	if err == nil {
		err = templates.ExecuteTemplate(&html, "page.html", view{
			About:   p.about,
			Run:     p.run,
			Last:    last,
			Longest: longestColumn,
			Notice:  publishedNotice(r.FormValue("published")),
			Groups:  groups(),
			Columns: columns,
		})
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("The page could not be made: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = html.WriteTo(w) // the caller may have gone
}

// groups keeps the order in which the types name them.
func groups() []group {
	var all []group
	for _, kind := range schema.Types() {
		i := slices.IndexFunc(all, func(g group) bool { return g.Name == kind.Group })
		if i < 0 {
			i, all = len(all), append(all, group{Name: kind.Group})
		}
		all[i].Types = append(all[i].Types, kind)
	}
	return all
}

func columnsOf(received []farend.Received) ([]*column, error) {
	var columns []*column
	for _, f := range farEnds {
		c := &column{farEnd: f}
		for _, r := range slices.Backward(received) {
			if r.Channel != f.Channel {
				continue
			}
			if err := c.add(r); err != nil {
				return nil, err
			}
		}
		columns = append(columns, c)
	}
	return columns, nil
}

func (c *column) add(r farend.Received) error {
	c.Total++
	if c.Total > longestColumn {
		return nil
	}
	made, err := newCard(r)
	if err != nil {
		return err
	}
	if c.OpenMail == 0 && r.Channel == "email" && hasBody(r) {
		c.OpenMail = r.Seq
	}
	c.Cards = append(c.Cards, made.HTML)
	return nil
}

// card is an arrival as the page shows it, and what the script says about it.
type card struct {
	Channel string        `json:"channel"`
	Title   string        `json:"title"`
	HTML    template.HTML `json:"html"`
}

// newCard makes the card in one place for the page and for the stream.
func newCard(r farend.Received) (card, error) {
	var html bytes.Buffer
	if err := templates.ExecuteTemplate(&html, r.Channel, arrival{r}); err != nil {
		return card{}, fmt.Errorf("show arrival %d: %w", r.Seq, err)
	}
	return card{Channel: r.Channel, Title: r.Title, HTML: template.HTML(html.String())}, nil //nolint:gosec // what a template has made
}
