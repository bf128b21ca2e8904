package ops

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

// storiesView lists what became of events, newest first.
type storiesView struct {
	layout
	Form     storyForm
	Channels []choice
	Types    []choice
	Outcomes []choice

	Stories []storyLine
	Down    time.Time // how far it was looked
	Older   string    // query of the page that looks further; empty: there is no more
}

// storyLine is what became of one event for one member of its account.
type storyLine struct {
	ledger.Story
	Kind     schema.Type
	Headline string
	Query    string // of its page
	Ways     []wayLine
}

// wayLine is one delivery in a word.
type wayLine struct{ Channel, Label, State, Class string }

var deliveryClasses = map[ledger.State]string{
	ledger.Delivered: "good", ledger.Waiting: "warn", ledger.Dead: "bad", ledger.Suppressed: "soft",
}

const (
	storiesOnPage = 50
	// mostRecords bounds what is kept of the ledger for one page.
	mostRecords = 5000
)

func (c *Console) showStories(w http.ResponseWriter, r *http.Request, v visit) {
	view := storiesView{
		layout: c.layout(v, "Deliveries", "stories"), Form: readStoryForm(r.URL.Query()),
		Channels: c.channels(), Types: types(), Outcomes: outcomes,
	}
	if view.Form.Error != "" {
		c.show(w, http.StatusUnprocessableEntity, "stories.html", view)
		return
	}
	before, _ := strconv.ParseUint(r.URL.Query().Get("before"), 10, 64)
	found, err := c.searchLedger(r.Context(), view.Form, before)
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	for _, s := range found.stories {
		view.Stories = append(view.Stories, c.storyLine(s))
	}
	if view.Down = found.down; found.more {
		q := view.Form.Query()
		q.Set("before", strconv.FormatUint(found.last, 10))
		view.Older = "?" + q.Encode()
	}
	c.show(w, http.StatusOK, "stories.html", view)
}

// foundStories is what a bounded look into the ledger has found.
type foundStories struct {
	stories []ledger.Story
	last    uint64    // the record up to which it was looked
	down    time.Time // when that was stored
	more    bool
}

// searchLedger reads records before one, newest first, until it has a page of stories
// or has looked long enough.
func (c *Console) searchLedger(ctx context.Context, f storyForm, before uint64) (foundStories, error) {
	limited, cancel := context.WithTimeout(ctx, longestRead)
	defer cancel()
	var found foundStories
	var records []schema.Record
	planned := 0
	for e, err := range c.Queue.NewestRecords(limited, f.ledger(), before) {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && found.last > 0 {
			found.more = true
			break
		}
		if err != nil {
			return found, err
		}
		if found.more = planned == storiesOnPage || len(records) == mostRecords; found.more {
			break
		}
		found.last, found.down = e.Sequence, e.Stored
		if f.tells(e.Record) {
			records = append(records, e.Record)
		}
		if e.Kind == schema.RecordPlanned && f.tells(e.Record) && (f.until.IsZero() || e.At.Before(f.until)) {
			planned++
		}
	}
	slices.Reverse(records)
	all, err := ledger.Stories(each(records))
	if err != nil {
		return found, err
	}
	for _, s := range all {
		if before > 0 || s.Sequence == 0 || f.Delivery != "" { // some of its records lie elsewhere
			if s, err = c.story(ctx, s.Account, s.User, s.Source, s.Event); err != nil {
				return found, err
			}
		}
		if f.matches(s) {
			found.stories = append(found.stories, s)
		}
	}
	return found, nil
}

func each(records []schema.Record) iter.Seq2[schema.Record, error] {
	return func(yield func(schema.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// errNoStory says that the ledger holds nothing of an event.
var errNoStory = errors.New("the ledger holds nothing of this event for this user")

// story reads one story whole. What one member of an account was told is found at
// once: it is a subject of its own.
func (c *Console) story(ctx context.Context, account, user, source, event string) (ledger.Story, error) {
	stories, err := ledger.Stories(func(yield func(schema.Record, error) bool) {
		for r, err := range c.Queue.Ledger(ctx, queue.LedgerQuery{Account: account, User: user}) {
			if (err != nil || r.Source == source && r.Event == event) && !yield(r, err) {
				return
			}
		}
	})
	if err == nil && len(stories) == 0 {
		err = errNoStory
	}
	if err != nil {
		return ledger.Story{}, err
	}
	return stories[0], nil
}

func (c *Console) storyLine(s ledger.Story) storyLine {
	line := storyLine{Story: s, Headline: s.Summary}
	line.Kind, _ = schema.TypeNamed(s.Type)
	if line.Headline == "" {
		line.Headline = line.Kind.Meaning
	}
	line.Query = "?" + url.Values{"account": {s.Account}, "user": {s.User}, "source": {s.Source}, "event": {s.Event}}.Encode()
	for _, d := range s.Deliveries {
		line.Ways = append(line.Ways, wayLine{d.Channel, c.label(d.Channel), string(d.State), deliveryClasses[d.State]})
	}
	return line
}
