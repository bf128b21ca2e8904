package ops

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

// storyView is all that is known of one event for one member of its account.
type storyView struct {
	layout
	storyLine
	Deliveries []deliveryView
	Left       []leftView // channels by which nothing was planned
	Body       string     // of the event, while it is kept
	Others     string     // query of what the other members were told
}

// deliveryView is a delivery with all that happened to it.
type deliveryView struct {
	ledger.Delivery
	Label   string
	Class   string
	Records []recordView
	Letters string // query of the dead letters among which its own is
}

type recordView struct {
	At    time.Time
	Text  string
	Class string
}

type leftView struct{ Label, Target, Why string }

func (c *Console) showStory(w http.ResponseWriter, r *http.Request, v visit) {
	q := r.URL.Query()
	account, user := q.Get("account"), q.Get("user")
	if !schema.ValidID(account) || !schema.ValidID(user) {
		c.notFound(w, r)
		return
	}
	s, err := c.story(r.Context(), account, user, q.Get("source"), q.Get("event"))
	if errors.Is(err, errNoStory) {
		c.fail(w, r, problem{http.StatusNotFound, "Nothing is known of this", "The ledger holds nothing of such an event for this user: it keeps what is younger than 30 days."})
		return
	}
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	view := storyView{layout: c.layout(v, "Delivery story", "stories"), storyLine: c.storyLine(s)}
	view.Others = "?" + url.Values{"account": {account}, "event": {s.Event}}.Encode()
	if view.Body, err = c.eventOf(r, s); err != nil {
		c.unavailable(w, r, err)
		return
	}
	for _, d := range s.Deliveries {
		view.Deliveries = append(view.Deliveries, c.deliveryView(s, d))
	}
	for _, k := range s.Skipped {
		view.Left = append(view.Left, leftView{c.label(k.Channel), k.Target, k.Rule.String()})
	}
	c.show(w, http.StatusOK, "story.html", view)
}

// eventOf is the event's data, without what may be a credential; empty if it is
// not kept any more.
func (c *Console) eventOf(r *http.Request, s ledger.Story) (string, error) {
	if s.Sequence == 0 {
		return "", nil
	}
	e, err := c.Queue.Event(r.Context(), s.Sequence)
	if errors.Is(err, queue.ErrNoEvent) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return readable(schema.Redacted(e.Body)), nil
}

func (c *Console) deliveryView(s ledger.Story, d ledger.Delivery) deliveryView {
	view := deliveryView{Delivery: d, Label: c.label(d.Channel), Class: deliveryClasses[d.State]}
	for _, r := range d.Records {
		text, class := passage(r)
		view.Records = append(view.Records, recordView{r.At, text, class})
	}
	if d.State == ledger.Dead {
		view.Letters = "?" + url.Values{"channel": {d.Channel}, "type": {s.Type}, "account": {s.Account}, "user": {s.User}}.Encode()
	}
	return view
}

// passage is a record in a line.
func passage(r schema.Record) (text, class string) {
	took := ""
	if r.Took > 0 {
		took = fmt.Sprintf(" after %s", r.Took.Round(100*time.Microsecond))
	}
	why := cmp.Or(r.Reason, r.Status, "no reason is known")
	switch r.Kind {
	case schema.RecordFailed:
		return fmt.Sprintf("Attempt %d failed%s: %s. Next at %s.", r.Attempt, took, why, r.Next.UTC().Format("15:04:05")), "warn"
	case schema.RecordDead:
		return fmt.Sprintf("Given up (%s) at attempt %d%s: %s.", causeLabel(queue.Cause(r.Cause)), r.Attempt, took, why), "bad"
	case schema.RecordDelivered:
		return fmt.Sprintf("Delivered at attempt %d%s%s.", r.Attempt, took, answered(r.Status)), "good"
	case schema.RecordSuppressed:
		return "Called off: " + cmp.Or(r.Rule.String(), why) + ".", "soft"
	case schema.RecordReplayed:
		return fmt.Sprintf("Replayed for the %d. time.", r.Replay), "soft"
	}
	return string(r.Kind), "soft"
}

func answered(status string) string {
	if status == "" {
		return ""
	}
	return ", answered " + status
}
