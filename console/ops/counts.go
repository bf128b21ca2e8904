package ops

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tocsin/queue"
	"tocsin/replay"
)

// counts say what the newest letters have in common.
type counts struct {
	Groups  []groupView
	Others  int       // letters of groups beyond those that are shown
	Letters int       // that match
	Read    int       // that were looked at
	Down    time.Time // when the oldest of them died
	More    bool      // there are older ones that were not
}

// groupView counts letters that went to one host and died of the same answer.
type groupView struct {
	Channel, Label, Host, Answer string
	Letters                      int
	Query                        string // of the page with its host alone
}

// countsView is the page of the counts alone, which looks further than the list.
type countsView struct {
	layout
	counts
	Form letterForm
}

// mostGroups bounds what the list of letters says of hosts and answers.
const mostGroups = 6

// showCounts counts as many as one page may look at. The exact counts of
// everything are in a replay's plan.
func (c *Console) showCounts(w http.ResponseWriter, r *http.Request, v visit) {
	view := countsView{layout: c.layout(v, "Dead letters by host and answer", "dead"), Form: readLetterForm(r.URL.Query())}
	filter, ok := view.Form.filter()
	if !ok {
		c.fail(w, r, problem{http.StatusUnprocessableEntity, "Nothing was counted", view.Form.Error})
		return
	}
	page, err := c.look(r.Context(), filter, 0, mostRead)
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	view.counts = c.count(page, view.Form, lettersOnPage)
	c.show(w, http.StatusOK, "counts.html", view)
}

func (c *Console) count(p page, form letterForm, most int) counts {
	groups := map[groupView]int{}
	for _, l := range p.found {
		groups[groupOf(l)]++
	}
	n := counts{Letters: len(p.found), Read: p.read, Down: p.died, More: p.more}
	for g, letters := range groups {
		g.Letters, g.Label = letters, c.label(g.Channel)
		q := form.Query()
		set(q, "channel", g.Channel)
		set(q, "host", g.Host)
		g.Query = "?" + q.Encode()
		n.Groups = append(n.Groups, g)
	}
	slices.SortFunc(n.Groups, func(a, b groupView) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Answer, b.Answer))
	})
	shown := min(len(n.Groups), most)
	for _, g := range n.Groups[shown:] {
		n.Others += g.Letters
	}
	n.Groups = n.Groups[:shown]
	return n
}

func groupOf(l queue.DeadLetter) groupView {
	g := groupView{Answer: replay.Answer(l)}
	g.Channel, _ = l.Place()
	if l.Delivery != nil {
		g.Host = l.Delivery.Last.Host
	}
	return g
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
