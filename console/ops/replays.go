package ops

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/queue"
	"tocsin/replay"
)

// replaysView lists replays, newest first.
type replaysView struct {
	layout
	Replays []replayLine
	Moving  bool // one of them runs, or is being planned
}

// replayLine is how far a replay has come.
type replayLine struct {
	replay.Job
	Chose string // what the filter chooses
	Class string // of its state: "good", "bad", "warn" or "soft"
}

// What is what the plan counts.
func (l replayLine) What() string {
	switch one := l.Sent() == 1; {
	case l.Events != nil && one:
		return "delivery"
	case l.Events != nil:
		return "deliveries"
	case one:
		return "letter"
	}
	return "letters"
}

// Sent is how many the plan will send, but for what is skipped.
func (l replayLine) Sent() int {
	if l.Events != nil {
		return l.Plan.Deliveries
	}
	return l.Plan.Letters
}

// Moves reports whether it goes on by itself.
func (l replayLine) Moves() bool { return l.State == replay.Running || l.State == replay.InPlanning }

// Planned reports whether there is a plan to be shown.
func (l replayLine) Planned() bool { return l.Total() > 0 }

// Percent is how much of the plan was looked at, or of what it is made from.
func (l replayLine) Percent() int {
	switch {
	case l.State == replay.Done:
		return 100
	case l.Planning != nil:
		return l.Planning.Percent()
	}
	return min(100*l.Handled()/max(l.Total(), 1), 100)
}

// Speed is the rate in words.
func (l replayLine) Speed() string {
	if l.Rate == 0 {
		return "as fast as it goes"
	}
	return fmt.Sprintf("at most %g a second", l.Rate)
}

// Left is about how long it takes at its rate; empty where that is not known.
func (l replayLine) Left() string {
	if l.State != replay.Running || l.Rate == 0 {
		return ""
	}
	seconds := float64(l.Total()-l.Handled()) / l.Rate
	return "about " + time.Duration(seconds*float64(time.Second)).Round(time.Second).String() + " left"
}

var stateClasses = map[replay.State]string{
	replay.InPlanning: "good", replay.Failed: "bad",
	replay.Planned: "warn", replay.Running: "good", replay.Paused: "warn", replay.Cancelled: "soft", replay.Done: "soft",
}

func replayLineOf(j replay.Job) replayLine {
	return replayLine{Job: j, Chose: j.Chosen(), Class: stateClasses[j.State]}
}

func (c *Console) showReplays(w http.ResponseWriter, r *http.Request, v visit) {
	jobs, err := c.Replays.List(r.Context())
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	slices.SortFunc(jobs, func(a, b replay.Job) int { return b.Made.Compare(a.Made) })
	view := replaysView{layout: c.layout(v, "Replays", "replays")}
	for _, j := range jobs {
		view.Replays = append(view.Replays, replayLineOf(j))
		view.Moving = view.Moving || view.Replays[len(view.Replays)-1].Moves()
	}
	c.show(w, http.StatusOK, "replays.html", view)
}

// replayView is the plan of a replay, and how far it has come.
type replayView struct {
	layout
	replayLine
	Groups []groupView
	More   int // letters of which the plan gives no example
}

func (c *Console) showReplay(w http.ResponseWriter, r *http.Request, v visit) {
	c.answerReplay(w, r, v, http.StatusOK, status{})
}

func (c *Console) answerReplay(w http.ResponseWriter, r *http.Request, v visit, code int, done status) {
	job, err := c.Replays.Get(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, queue.ErrNoJob):
		c.fail(w, r, problem{http.StatusNotFound, "There is no such replay", "It was removed, or it is older than 30 days."})
		return
	case err != nil:
		c.unavailable(w, r, err)
		return
	}
	view := replayView{layout: c.layout(v, "Replay "+job.ID, "replays"), replayLine: replayLineOf(job), More: max(job.Plan.Letters, job.Plan.Deliveries) - len(job.Plan.Examples)}
	view.Status = done
	for _, g := range job.Plan.Groups {
		view.Groups = append(view.Groups, groupView{Channel: g.Channel, Label: c.label(g.Channel), Host: g.Host, Answer: cmp.Or(g.Answer, g.Type), Letters: g.Letters})
	}
	c.show(w, code, "replay.html", view)
}

func (c *Console) actOnReplay(w http.ResponseWriter, r *http.Request, v visit) {
	if !c.readForm(w, r) {
		return
	}
	id, what := r.PathValue("id"), r.PostForm.Get("do")
	do, known := map[string]func() error{
		"start":  func() error { _, err := c.Replays.Start(r.Context(), id); return err },
		"pause":  func() error { _, err := c.Replays.Pause(r.Context(), id); return err },
		"cancel": func() error { _, err := c.Replays.Cancel(r.Context(), id); return err },
	}[what]
	if !known {
		c.answerReplay(w, r, v, http.StatusUnprocessableEntity, status{Text: "The form says nothing of what to do.", Bad: true})
		return
	}
	done, err := c.act(w, r, v, "replay."+what, "replay "+id, "", do)
	switch {
	case !done:
	case errors.Is(err, queue.ErrNoJob):
		c.answerReplay(w, r, v, http.StatusNotFound, status{})
	case errors.Is(err, replay.ErrEnded), errors.Is(err, replay.ErrNotBegun), errors.Is(err, replay.ErrNoPlan):
		c.answerReplay(w, r, v, http.StatusConflict, status{Text: strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + ". Nothing was changed.", Bad: true})
	case err != nil:
		c.unavailable(w, r, err)
	default:
		http.Redirect(w, r, c.home()+"/replays/"+id, http.StatusSeeOther) //nolint:gosec // a path of ours, and the id of a replay that there is
	}
}
