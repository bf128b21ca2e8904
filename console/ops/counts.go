package ops

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tocsin/replay"
)

// countsView says what the newest letters have in common.
type countsView struct {
	layout
	Form    letterForm
	Groups  []groupView
	Others  int       // letters of groups beyond those that are shown
	Letters int       // that match
	Read    int       // that were looked at
	Down    time.Time // the oldest of them
	More    bool      // there are older ones that were not
}

// groupView counts letters that went to one host and died of the same answer.
type groupView struct {
	Channel, Label, Host, Answer string
	Letters                      int
	Query                        string // of the page with these alone
}

// mostGroups bounds what a person reads.
const mostGroups = 12

// showCounts is the part of the page that takes longer than the rest. The exact
// counts of everything are in a replay's plan.
func (c *Console) showCounts(w http.ResponseWriter, r *http.Request, v visit) {
	view := countsView{layout: c.layout(v, "Counts", "dead"), Form: readLetterForm(r.URL.Query())}
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
	counts := map[groupView]int{}
	for _, l := range page.found {
		channel, _ := l.Place()
		g := groupView{Channel: channel, Answer: replay.Answer(l)}
		if l.Delivery != nil {
			g.Host = l.Delivery.Last.Host
		}
		counts[g]++
	}
	view.Letters, view.Read, view.Down, view.More = len(page.found), page.read, page.died, page.more
	view.Groups, view.Others = c.groupsOf(counts, view.Form)
	c.show(w, http.StatusOK, "counts.html", view)
}

func (c *Console) groupsOf(counts map[groupView]int, form letterForm) (groups []groupView, others int) {
	for g, n := range counts {
		g.Letters, g.Label = n, c.label(g.Channel)
		q := form.Query()
		set(q, "channel", g.Channel)
		set(q, "host", g.Host)
		g.Query = "?" + q.Encode()
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b groupView) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Answer, b.Answer))
	})
	for _, g := range groups[min(len(groups), mostGroups):] {
		others += g.Letters
	}
	return groups[:min(len(groups), mostGroups)], others
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
