package ops

import (
	"net/http"
	"strconv"

	"tocsin/queue"
	"tocsin/schema"
)

// actsView is a page of the audit stream, newest first.
type actsView struct {
	layout
	Acts   []actView
	Older  string // query of the page behind this one; empty: there is none
	Newest string // query of the first page, where this is another one
}

// actView is an act, told from its beginning or from its end.
type actView struct {
	schema.Act
	Class   string
	Outcome string
	Way     string
}

const (
	actsOnPage = 100
	// apart is how many entries can lie between the beginning and the end of an
	// act without it being taken for one that never ended.
	apart = 1000
)

func (c *Console) showActs(w http.ResponseWriter, r *http.Request, v visit) {
	view := actsView{layout: c.layout(v, "Audit", "audit")}
	before, _ := strconv.ParseUint(r.URL.Query().Get("before"), 10, 64)
	from := before
	if before > 0 {
		view.Newest = c.home() + "/audit"
		from = before + apart // ends of acts that begin on this page
	}
	ended := map[string]bool{}
	for a, err := range c.Queue.Acts(r.Context(), from) {
		if err != nil {
			c.unavailable(w, r, err)
			return
		}
		if told := ended[a.ID]; told || before > 0 && a.Sequence >= before {
			ended[a.ID] = true
			continue
		}
		ended[a.ID] = true
		if len(view.Acts) == actsOnPage {
			view.Older = "?before=" + strconv.FormatUint(a.Sequence+1, 10)
			break
		}
		view.Acts = append(view.Acts, toldAct(a))
	}
	c.show(w, http.StatusOK, "audit.html", view)
}

func toldAct(a queue.RecordedAct) actView {
	view := actView{Act: a.Act, Way: map[schema.Via]string{
		schema.ByConsole: "console", schema.ByAPI: "HTTP API", schema.ByCommand: "command line",
	}[a.Via]}
	switch a.Outcome {
	case schema.ActDone:
		view.Outcome, view.Class = "Done", "good"
	case schema.ActRefused:
		view.Outcome, view.Class = "Refused", "warn"
	case schema.ActFailed:
		view.Outcome, view.Class = "Failed", "bad"
	default:
		view.Outcome, view.Class = "Under way, or its process died", "warn"
	}
	return view
}
