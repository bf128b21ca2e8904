package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

const (
	// lettersOnPage is how many are shown at a time.
	lettersOnPage = 50
	// countedOnPage is how many the first page counts by host and answer.
	countedOnPage = 2000
	// mostRead and longestRead bound how many letters a page looks at to find them,
	// and for how long: it says how far it came.
	mostRead    = 20_000
	longestRead = 3 * time.Second
)

// lettersView is a page of dead letters, newest first.
type lettersView struct {
	layout
	Form     letterForm
	Channels []choice
	Types    []choice
	Causes   []choice

	All    uint64 // all letters that there are
	Places []placeView

	Letters []letterLine
	Counts  counts    // of the first page
	Older   string    // query of the page behind this one; empty: there is none
	Newest  string    // query of the first page, where this is another one
	Cut     bool      // the page ends because it has looked at enough
	Down    time.Time // of Cut: how far it has looked
	Rate    string    // letters a second, as the form of a replay begins
}

// placeView counts what lies on a channel.
type placeView struct {
	Channel, Label string
	Letters        uint64
}

// letterLine is a dead letter in a list.
type letterLine struct {
	Sequence uint64
	Died     time.Time
	Channel  string
	Label    string // of the channel
	Type     schema.Type
	Account  string
	User     string
	Host     string
	Answer   string // the far end's last status
	Reason   string
	Cause    string
	Attempts int
	Replays  int
}

func (c *Console) lineOf(l queue.DeadLetter) letterLine {
	channel, typeName := l.Place()
	line := letterLine{
		Sequence: l.Sequence, Died: l.Died, Channel: channel, Label: c.label(channel), Reason: l.Reason, Cause: causeLabel(l.Cause),
	}
	line.Type, _ = schema.TypeNamed(typeName)
	if line.Type.Name == "" {
		line.Type.Name = typeName
	}
	if d := l.Delivery; d != nil {
		line.Account, line.User, line.Host, line.Answer = d.Event.Account, d.User, d.Last.Host, d.Last.Status
		line.Attempts, line.Replays = d.Attempts, d.Replays
	}
	return line
}

func (c *Console) showLetters(w http.ResponseWriter, r *http.Request, v visit) {
	var done status
	if n, err := strconv.Atoi(r.URL.Query().Get("discarded")); err == nil {
		done.Text = fmt.Sprintf("%d discarded.", n)
	}
	c.answerLetters(w, r, v, http.StatusOK, done)
}

func (c *Console) answerLetters(w http.ResponseWriter, r *http.Request, v visit, code int, done status) {
	view, err := c.lettersView(r, v)
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	if view.Form.Error != "" {
		code = http.StatusUnprocessableEntity
	}
	view.Status = done
	c.show(w, code, "dead.html", view)
}

func (c *Console) lettersView(r *http.Request, v visit) (lettersView, error) {
	query := r.URL.Query()
	view := lettersView{
		layout: c.layout(v, "Dead letters", "dead"), Form: readLetterForm(query), Rate: "200",
		Channels: c.channels(), Types: types(), Causes: causes,
	}
	counts, err := c.Queue.DeadCounts(r.Context())
	if err != nil {
		return view, err
	}
	view.All, view.Places = c.placesOf(counts)
	filter, ok := view.Form.filter()
	if !ok {
		return view, nil
	}
	before, _ := strconv.ParseUint(query.Get("before"), 10, 64)
	if before > 0 {
		view.Newest = "?" + view.Form.Query().Encode()
	}
	most := lettersOnPage
	if before == 0 {
		most = countedOnPage
	}
	page, err := c.look(r.Context(), filter, before, most)
	if err != nil {
		return view, err
	}
	if before == 0 {
		view.Counts = c.count(page, view.Form, mostGroups)
	}
	view.fill(c, page)
	return view, nil
}

// fill lists the first of what was found.
func (view *lettersView) fill(c *Console, p page) {
	for _, l := range p.found[:min(len(p.found), lettersOnPage)] {
		view.Letters = append(view.Letters, c.lineOf(l))
	}
	switch {
	case len(p.found) >= lettersOnPage && (p.more || len(p.found) > lettersOnPage):
		view.Older = view.Form.With("before", strconv.FormatUint(p.found[lettersOnPage-1].Sequence, 10))
	case p.more:
		view.Cut, view.Down = true, p.died
		view.Older = view.Form.With("before", strconv.FormatUint(p.last, 10))
	}
}

// placesOf sums the counts by channel.
func (c *Console) placesOf(counts map[queue.DeadPlace]uint64) (all uint64, places []placeView) {
	sums := map[string]uint64{}
	for place, n := range counts {
		all += n
		sums[place.Channel] += n
	}
	for _, channel := range slices.Sorted(maps.Keys(sums)) {
		places = append(places, placeView{channel, c.label(channel), sums[channel]})
	}
	return all, places
}

// page is what was found in bounded time.
type page struct {
	found []queue.DeadLetter
	read  int
	last  uint64    // the letter up to which it was looked
	died  time.Time // when that died
	more  bool      // there is more behind it
}

// look finds letters before one, newest first. Without time for more it returns
// what it has.
func (c *Console) look(ctx context.Context, f queue.LetterFilter, before uint64, most int) (page, error) {
	limited, cancel := context.WithTimeout(ctx, longestRead)
	defer cancel()
	var p page
	for l, err := range c.Queue.NewestLetters(limited, f, before) {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && p.read > 0 {
			p.more = true
			return p, nil
		}
		if err != nil {
			return p, err
		}
		if p.more = len(p.found) == most || p.read == mostRead; p.more {
			return p, nil
		}
		p.read++
		p.last, p.died = l.Sequence, l.Died
		if f.Matches(l) {
			p.found = append(p.found, l)
		}
	}
	return p, nil
}

// letterView is one dead letter, whole but for credentials.
type letterView struct {
	layout
	letterLine
	Delivery  string
	Target    string
	Headers   []header
	Body      string
	Story     string // query of the delivery's story; empty for an event
	Sequences []uint64
	Rate      string
}

type header struct{ Name, Value string }

func (c *Console) showLetter(w http.ResponseWriter, r *http.Request, v visit) {
	sequence, _ := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	l, err := c.Queue.DeadLetter(r.Context(), sequence)
	switch {
	case errors.Is(err, queue.ErrNoLetter):
		c.fail(w, r, problem{http.StatusNotFound, "There is no such letter", "It was replayed, discarded, or it is older than 30 days."})
		return
	case err != nil:
		c.unavailable(w, r, err)
		return
	}
	view := letterView{
		layout: c.layout(v, "Dead letter "+strconv.FormatUint(sequence, 10), "dead"), letterLine: c.lineOf(l),
		Body: readable(schema.Redacted(l.Body)), Sequences: []uint64{sequence}, Rate: "200",
	}
	for _, name := range slices.Sorted(maps.Keys(l.Header)) {
		for _, value := range l.Header[name] {
			if value == "" {
				continue
			}
			view.Headers = append(view.Headers, header{name, schema.RedactedText(value)})
		}
	}
	if d := l.Delivery; d != nil {
		view.Delivery, view.Target = d.ID(), d.Target
		view.Story = "?" + url.Values{"account": {d.Event.Account}, "user": {d.User}, "source": {d.Event.Source}, "event": {d.Event.ID}}.Encode()
	}
	c.show(w, http.StatusOK, "letter.html", view)
}

// readable is JSON with a line for each value, and anything else as it is.
func readable(text []byte) string {
	var lines bytes.Buffer
	if json.Indent(&lines, text, "", "  ") != nil {
		return string(text)
	}
	return lines.String()
}
