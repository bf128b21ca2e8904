package ops

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tocsin/queue"
	"tocsin/replay"
)

// mostChosen is how many letters a form can name one by one: many more than a
// page shows.
const mostChosen = 1000

// actOnLetters plans a replay, or discards.
func (c *Console) actOnLetters(w http.ResponseWriter, r *http.Request, v visit) {
	if !c.readForm(w, r) {
		return
	}
	chosen, err := readSequences(r.PostForm["seq"])
	if err != nil {
		c.answerLetters(w, r, v, http.StatusUnprocessableEntity, status{Text: err.Error(), Bad: true})
		return
	}
	switch do := r.PostForm.Get("do"); {
	case do == "plan-all":
		form := readLetterForm(r.PostForm)
		filter, ok := form.filter()
		if !ok {
			c.answerLetters(w, r, v, http.StatusUnprocessableEntity, status{Text: form.Error, Bad: true})
			return
		}
		c.plan(w, r, v, filter)
	case len(chosen) == 0:
		c.answerLetters(w, r, v, http.StatusUnprocessableEntity, status{Text: "Choose letters first.", Bad: true})
	case do == "plan":
		c.plan(w, r, v, queue.LetterFilter{Sequences: chosen})
	case do == "discard":
		c.confirmDiscard(w, r, v, chosen)
	case do == "discard-for-good":
		c.discard(w, r, v, chosen)
	default:
		c.answerLetters(w, r, v, http.StatusUnprocessableEntity, status{Text: "The form says nothing of what to do.", Bad: true})
	}
}

func readSequences(values []string) ([]uint64, error) {
	if len(values) > mostChosen {
		return nil, fmt.Errorf("at most %d letters can be chosen one by one", mostChosen)
	}
	var all []uint64
	for _, value := range values {
		sequence, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return nil, errors.New("the form names a letter that cannot be")
		}
		all = append(all, sequence)
	}
	return all, nil
}

// planPatience is how long a page waits for a plan. One that takes longer is made
// beside, and its page follows it.
const planPatience = 2 * time.Second

// plan shows what a replay would do: on the page of the job that it makes.
func (c *Console) plan(w http.ResponseWriter, r *http.Request, v visit, f queue.LetterFilter) {
	rate, ok := readRate(r.PostForm)
	if !ok {
		c.answerLetters(w, r, v, http.StatusUnprocessableEntity, status{Text: "The rate is a number of letters a second, up to 100,000.", Bad: true})
		return
	}
	var job replay.Job
	done, err := c.act(w, r, v, "replay.plan", "dead letters", f.String(), func() (err error) {
		job, err = c.Replays.PlanWithin(r.Context(), planPatience, f, rate)
		return err
	})
	switch {
	case !done:
	case errors.Is(err, replay.ErrNothing), errors.Is(err, queue.ErrNoLetter):
		c.answerLetters(w, r, v, http.StatusConflict, status{Text: "These letters are not there any more. Nothing was planned.", Bad: true})
	case err != nil:
		c.unavailable(w, r, err)
	default:
		http.Redirect(w, r, c.home()+"/replays/"+job.ID, http.StatusSeeOther)
	}
}

// readRate is how many a second a form asks for.
func readRate(form url.Values) (rate float64, ok bool) {
	rate, err := strconv.ParseFloat(form.Get("rate"), 64)
	return rate, err == nil && rate >= 0 && rate <= 100_000 // NaN is neither
}

// discardView asks before letters are removed for good.
type discardView struct {
	layout
	Letters []letterLine
	Gone    int // of those that were chosen
}

func (c *Console) confirmDiscard(w http.ResponseWriter, r *http.Request, v visit, chosen []uint64) {
	view := discardView{layout: c.layout(v, "Discard dead letters?", "dead"), Gone: len(chosen)}
	for l, err := range c.Queue.DeadLetters(r.Context(), queue.LetterFilter{Sequences: chosen}, 0) {
		if err != nil {
			c.unavailable(w, r, err)
			return
		}
		view.Letters = append(view.Letters, c.lineOf(l))
		view.Gone--
	}
	if len(view.Letters) == 0 {
		c.answerLetters(w, r, v, http.StatusConflict, status{Text: "These letters are not there any more.", Bad: true})
		return
	}
	c.show(w, http.StatusOK, "discard.html", view)
}

func (c *Console) discard(w http.ResponseWriter, r *http.Request, v visit, chosen []uint64) {
	removed := 0
	done, err := c.act(w, r, v, "dead.discard", "dead letters", queue.LetterFilter{Sequences: chosen}.String(), func() error {
		for _, sequence := range chosen {
			err := c.Queue.Discard(r.Context(), sequence)
			if errors.Is(err, queue.ErrNoLetter) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%d of %d discarded: %w", removed, len(chosen), err)
			}
			removed++
		}
		return nil
	})
	switch {
	case !done:
	case err != nil:
		c.unavailable(w, r, err)
	default:
		http.Redirect(w, r, c.home()+"/dead?"+url.Values{"discarded": {strconv.Itoa(removed)}}.Encode(), http.StatusSeeOther)
	}
}
