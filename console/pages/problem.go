package pages

import (
	"fmt"
	"math"
	"net/http"
	"strconv"

	"tocsin/console/site"
	"tocsin/console/targets"
)

// problem is an answer that is no page of the user's.
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
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, what problem) {
	view := problemView{layout{Title: what.Title, Prefix: p.site.Prefix}, what.Text}
	name := "problem.html"
	if site.ByScript(r) {
		view.Status = status{Text: what.Title + ". " + what.Text, Bad: true}
		name = "status-alone"
		w.Header().Set("HX-Reswap", "none") // the answer has no such part: what is on the page, and was entered, stays
	}
	p.show(w, what.Code, name, view)
}

func (p *Pages) notFound(w http.ResponseWriter, r *http.Request) {
	p.fail(w, r, problem{http.StatusNotFound, "There is no such page", "Go back, or open your notification settings from the platform."})
}

func (p *Pages) tooOften(w http.ResponseWriter, r *http.Request, bound *targets.TooOften) {
	seconds := int(math.Ceil(bound.Wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds)) // RFC 9110 section 10.2.3, in seconds
	p.fail(w, r, problem{http.StatusTooManyRequests, "That was too often", fmt.Sprintf("Nothing was changed. It can be done again in %d s.", seconds)})
}
