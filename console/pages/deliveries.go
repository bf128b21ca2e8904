package pages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"net/http"
	"slices"
	"time"

	"tocsin/console/site"
	"tocsin/console/targets"
	"tocsin/ledger"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
)

const (
	// window is how far back one page looks. Events are kept as long, so that
	// what it shows can be sent again.
	window = 72 * time.Hour
	// mostStories bounds a page, not the ledger.
	mostStories = 100
	// mostLooks is how often in a minute a user's ledger is read for a page: one
	// that asks by itself, every two seconds, in four windows.
	mostLooks = 120
	// soon is how long a page asks by itself what became of a first attempt.
	soon = time.Minute
)

// deliveriesView is what became of the events of the last days.
type deliveriesView struct {
	layout
	Stories []storyView
	Since   time.Time
	Older   string // query of the page before this one
	Trouble bool   // only what was not delivered is shown
	More    bool   // there is more than mostStories
	Moving  bool   // something is on its way at this moment
	Here    string // address of what is shown
}

// storyView is one event.
type storyView struct {
	ledger.Story
	Type    schema.Type
	Title   string
	Ways    []wayView
	Skipped []skippedView
	layout  layout
}

// ID is the story's in the page.
func (s storyView) ID() string { return idOf(s.Account, s.Source, s.Event) }

func idOf(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		h.Write([]byte(text))
		h.Write([]byte{0})
	}
	return "e" + hex.EncodeToString(h.Sum(nil)[:8])
}

// skippedView says by which channel, or by which target of it, nothing was sent.
type skippedView struct{ Channel, Target, Why string }

func (p *Pages) showDeliveries(w http.ResponseWriter, r *http.Request, v visit) {
	err := p.Channels.Allow(r.Context(), "too many looks at deliveries", "looks/"+v.user, mostLooks, time.Minute)
	if often, ok := errors.AsType[*targets.TooOften](err); ok {
		p.tooOften(w, r, often)
	} else if err != nil {
		p.unavailable(w, r, err)
	} else {
		p.answerDeliveries(w, r, v, http.StatusOK, status{})
	}
}

func (p *Pages) answerDeliveries(w http.ResponseWriter, r *http.Request, v visit, code int, done status) {
	view, err := p.deliveriesView(r, v)
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	view.Status = done
	p.show(w, code, "deliveries.html", view)
}

func (p *Pages) deliveriesView(r *http.Request, v visit) (deliveriesView, error) {
	query := r.URL.Query()
	until, err := time.Parse(time.RFC3339, query.Get("until"))
	begin := until
	if err != nil {
		until, begin = time.Time{}, time.Now()
	}
	view := deliveriesView{layout: p.layout(v, "Recent deliveries", "deliveries"), Trouble: query.Get("show") == "trouble"}
	view.Since = begin.Add(-window)
	view.Older = "?until=" + site.MachineTime(view.Since)
	view.Here = view.Home + "/deliveries"
	if r.Method == http.MethodGet && r.URL.RawQuery != "" {
		view.Here += "?" + query.Encode()
	}
	stories, err := p.stories(r.Context(), v.user, view.Since, until)
	if err != nil {
		return view, err
	}
	known, err := p.known(r.Context(), v.user)
	if err != nil {
		return view, err
	}
	for _, story := range stories {
		if view.Trouble && !troubled(story) {
			continue
		}
		if view.More = len(view.Stories) == mostStories; view.More {
			break
		}
		told := p.tell(story, known, view.layout)
		view.Stories = append(view.Stories, told)
		view.Moving = view.Moving || told.moving()
	}
	return view, nil
}

func troubled(s ledger.Story) bool {
	return slices.ContainsFunc(s.Deliveries, func(d ledger.Delivery) bool {
		return d.State == ledger.Dead || d.State == ledger.Waiting && len(d.Records) > 0
	})
}

// stories reads the ledger of all accounts that the user is a member of, newest
// first.
func (p *Pages) stories(ctx context.Context, user string, since, until time.Time) ([]ledger.Story, error) {
	accounts, err := p.Store.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	return ledger.Stories(p.records(ctx, accounts, queue.LedgerQuery{User: user, Since: since, Until: until}))
}

func (p *Pages) records(ctx context.Context, accounts []string, q queue.LedgerQuery) iter.Seq2[schema.Record, error] {
	return func(yield func(schema.Record, error) bool) {
		for _, account := range accounts {
			q.Account = account
			for record, err := range p.Queue.Ledger(ctx, q) {
				if !yield(record, err) || err != nil {
					return
				}
			}
		}
	}
}

// known is what a user's record adds to the ledger.
type known struct {
	names map[prefs.TargetRef]string // that people gave their devices
	off   map[prefs.Cell]time.Time   // since when the user has switched something off
}

func (p *Pages) known(ctx context.Context, user string) (known, error) {
	k := known{names: map[prefs.TargetRef]string{}, off: map[prefs.Cell]time.Time{}}
	targets, err := p.Store.Targets(ctx, user)
	if err != nil {
		return k, err
	}
	for _, t := range targets {
		k.names[t.TargetRef] = settingsText(t.Settings, "name")
	}
	choices, _, err := p.Store.Choices(ctx, user, p.Channels.Names())
	for _, c := range choices {
		if c.Chosen && !c.Wanted {
			k.off[c.Cell] = c.ChosenAt
		}
	}
	return k, err
}

func (p *Pages) tell(s ledger.Story, k known, l layout) storyView {
	kind, _ := schema.TypeNamed(s.Type)
	view := storyView{Story: s, Type: kind, Title: s.Summary, layout: l}
	if view.Title == "" {
		view.Title = kind.Meaning
	}
	for _, d := range s.Deliveries {
		view.Ways = append(view.Ways, p.way(d, k.names, l))
	}
	for _, skipped := range s.Skipped {
		name := k.names[prefs.TargetRef{Channel: skipped.Channel, ID: skipped.Target}]
		reason := why(skipped.Rule)
		if since := k.off[prefs.Cell{Type: s.Type, Channel: skipped.Channel}]; skipped.Rule == schema.RuleChosenOff && !since.IsZero() && !since.After(s.At) {
			reason += " on " + since.In(l.zone).Format("2 January 2006")
		}
		view.Skipped = append(view.Skipped, skippedView{p.label(skipped.Channel), name, reason})
	}
	return view
}

func (s storyView) moving() bool {
	return slices.ContainsFunc(s.Deliveries, func(d ledger.Delivery) bool {
		begun := s.At
		if last := d.Last(); !last.At.IsZero() {
			begun = last.At
		}
		return d.State == ledger.Waiting && d.Next.IsZero() && time.Since(begun) < soon
	})
}
