package pages

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/console/site"
	"tocsin/prefs"
	"tocsin/schema"
)

// eventsView is the table of event types and channels.
type eventsView struct {
	layout
	Columns []column
	Groups  []group
	Absent  []string // labels of channels that the installation does not offer
	Chosen  int      // cells that the user has chosen
	Reset   changes  // take all of that back
	Fresh   bool     // what is shown replaces a part of the page
}

// column is a channel. Its switches are shown if it is set up.
type column struct {
	Name, Label string
	SetUp       bool
	Off         bool // set up, and switched off since

	AllOn, AllOff, Defaults changes
}

type group struct {
	Label string
	Rows  []row
}

type row struct {
	Type  schema.Type
	Cells []cell

	AllOn, AllOff, Defaults changes // of the cells that have a switch
}

// Switches reports whether there is anything to switch in the row.
func (r row) Switches() bool { return len(r.AllOn) > 0 }

// cell is one switch.
type cell struct {
	prefs.Choice
	Column  *column
	Meaning string
	Home    string
	Fresh   bool // replaces the one on the page
	zone    *time.Location
}

// ID is the cell's in the page.
func (c cell) ID() string { return strings.ReplaceAll(c.Type, ".", "-") + "-" + c.Channel }

// Next is the value of "set" that a click means.
func (c cell) Next() string { return change{c.Cell, stateOf(!c.Wanted)}.String() }

// Meant says of the state whose it is, and since when.
func (c cell) Meant() string {
	switch {
	case !c.Chosen:
		return "default"
	case c.ChosenAt.IsZero():
		return "changed by you"
	}
	return "changed by you on " + c.ChosenAt.In(c.zone).Format("2 January 2006")
}

var groupLabels = map[string]string{
	"stack": "Stacks", "server": "Servers", "job": "Jobs", "process": "Processes", "app": "Apps",
}

func (p *Pages) showEvents(w http.ResponseWriter, r *http.Request, v visit) {
	view, err := p.eventsView(r.Context(), v)
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	p.show(w, http.StatusOK, "events.html", view)
}

func (p *Pages) eventsView(ctx context.Context, v visit) (eventsView, error) {
	choices, _, err := p.Store.Choices(ctx, v.user, p.Channels.Names())
	if err != nil {
		return eventsView{}, err
	}
	targets, err := p.Store.Targets(ctx, v.user)
	if err != nil {
		return eventsView{}, err
	}
	view := eventsView{layout: p.layout(v, "Events", "events"), Columns: p.columns(targets), Absent: p.absent()}
	view.fill(choices)
	return view, nil
}

func (p *Pages) columns(targets []prefs.Target) []column {
	var columns []column
	for _, name := range p.Channels.Names() {
		c := column{Name: name, Label: p.label(name)}
		on := false
		for _, t := range targets {
			c.SetUp = c.SetUp || t.Channel == name
			on = on || t.Channel == name && !t.Off
		}
		c.Off = c.SetUp && !on
		columns = append(columns, c)
	}
	return columns
}

// label is a channel's name for people.
func (p *Pages) label(channel string) string {
	for _, spec := range p.Specs {
		if spec.Name == channel {
			return spec.Label
		}
	}
	return channel
}

func (p *Pages) absent() []string {
	var labels []string
	for _, spec := range p.Specs {
		if !p.offers(spec.Name) {
			labels = append(labels, spec.Label)
		}
	}
	return labels
}

func (p *Pages) offers(channel string) bool { return slices.Contains(p.Channels.Names(), channel) }

// fill makes rows of choices, which come by type and, within it, by column.
func (e *eventsView) fill(choices []prefs.Choice) {
	places := map[string]int{}
	for i := 0; i < len(choices); i += len(e.Columns) {
		kind, _ := schema.TypeNamed(choices[i].Type)
		place, known := places[kind.Group]
		if !known {
			place = len(e.Groups)
			places[kind.Group] = place
			e.Groups = append(e.Groups, group{Label: groupLabels[kind.Group]})
		}
		e.Groups[place].Rows = append(e.Groups[place].Rows, e.row(kind, choices[i:i+len(e.Columns)]))
	}
}

func (e *eventsView) row(kind schema.Type, choices []prefs.Choice) row {
	r := row{Type: kind}
	for i, choice := range choices {
		c := &e.Columns[i]
		r.Cells = append(r.Cells, cell{Choice: choice, Column: c, Meaning: kind.Meaning, Home: e.Home, zone: e.zone})
		if choice.Chosen {
			e.Chosen++
			e.Reset = append(e.Reset, change{choice.Cell, followDefault})
		}
		if !c.SetUp {
			continue
		}
		for _, list := range [...]struct {
			row, column *changes
			to          state
		}{{&r.AllOn, &c.AllOn, switchOn}, {&r.AllOff, &c.AllOff, switchOff}, {&r.Defaults, &c.Defaults, followDefault}} {
			set := change{choice.Cell, list.to}
			*list.row = append(*list.row, set)
			*list.column = append(*list.column, set)
		}
	}
	return r
}

// changeEvents sets the cells that the form names and shows them, with the way
// back.
func (p *Pages) changeEvents(w http.ResponseWriter, r *http.Request, v visit) {
	if !p.readForm(w, r) {
		return
	}
	changes, err := p.readChanges(r.PostForm.Get("set"))
	if err != nil {
		p.fail(w, r, problem{http.StatusUnprocessableEntity, "Nothing was changed", err.Error()})
		return
	}
	before, _, err := p.Store.Choices(r.Context(), v.user, p.Channels.Names())
	if err == nil {
		err = p.Store.SetChoices(r.Context(), v.user, changes.choices())
	}
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	view, err := p.eventsView(r.Context(), v)
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	view.Status = status{Text: p.say(changes), Undo: changes.undone(before)}
	if site.ByScript(r) {
		view.Fresh = true
		p.show(w, http.StatusOK, "changed-cells", changedView{view, view.cellsOf(changes)})
		return
	}
	p.show(w, http.StatusOK, "events.html", view)
}

// changedView is the part of the page that a change alters.
type changedView struct {
	eventsView
	Cells []cell
}

func (e *eventsView) cellsOf(all changes) []cell {
	var cells []cell
	for _, g := range e.Groups {
		for _, r := range g.Rows {
			for _, c := range r.Cells {
				if all.has(c.Cell) && c.Column.SetUp {
					c.Fresh = true
					cells = append(cells, c)
				}
			}
		}
	}
	return cells
}
