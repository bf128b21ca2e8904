package ops

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/fleet"
	"tocsin/queue"
)

// fleetView is the fleet at this moment, and how the last hour went.
type fleetView struct {
	layout
	At       time.Time
	Routing  *channelView // events on their way to be routed; nil: nobody routes
	Channels []channelView
	Members  []memberView
	Alive    int
	Plots    []plot
}

// channelView is a channel of the whole fleet.
type channelView struct {
	fleet.ChannelNow
	Label    string
	Paused   *queue.Pause
	Failures []share // by class of reason, most first
	Breakers []share // endpoints that are not closed, by state
}

// share is how many there are of a kind, in words.
type share struct{ Name, Value string }

// Rate says numbers a second for people.
func (c channelView) PerSecond() string { return perSecond(c.Rate.Delivered) }

// Latency says how long deliveries take.
func (c channelView) Latency() string {
	if c.Rate.P50 == 0 {
		return "–"
	}
	return seconds(c.Rate.P50) + " / " + seconds(c.Rate.P99)
}

// Oldest says how old the oldest is that waits for its first attempt.
func (c channelView) Oldest() string {
	if c.Backlog == nil || c.Backlog.Oldest < 1 {
		return "–"
	}
	return seconds(c.Backlog.Oldest)
}

// memberView is a process.
type memberView struct {
	fleet.Member
	Class    string
	Slots    int
	InFlight int
	Rate     string
	Skewed   string // how wrong its clock is, where that matters
	Lost     string // servers that it does not reach
	Channels string
}

// skewed is how wrong a clock may be before it is worth a word: retries and
// schedules are told to the second.
const skewed = 2 * time.Second

func (c *Console) showFleet(w http.ResponseWriter, r *http.Request, v visit) {
	c.answerFleet(w, r, v, http.StatusOK, status{})
}

func (c *Console) answerFleet(w http.ResponseWriter, r *http.Request, v visit, code int, done status) {
	view := fleetView{layout: c.layout(v, "Fleet", "fleet")}
	view.Status = done
	now, err := fleet.Now(r.Context(), c.Reports)
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	pauses, err := c.Queue.Pauses(r.Context())
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	past, err := fleet.Past(r.Context(), c.Reports, time.Now().Add(-time.Hour), time.Minute)
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	view.At, view.Alive = now.At, now.Alive("")
	view.channels(c, now, pauses)
	for _, m := range now.Members {
		view.Members = append(view.Members, memberOf(m))
	}
	view.Plots = c.plots(past)
	c.show(w, code, "fleet.html", view)
}

// channels lists the channels that somebody delivers by, or that are paused.
func (view *fleetView) channels(c *Console, now fleet.Snapshot, pauses []queue.Pause) {
	paused := map[string]*queue.Pause{}
	for _, p := range pauses {
		paused[p.Channel] = &p
	}
	for _, ch := range now.Channels {
		shown := c.channelView(ch, paused[ch.Name])
		if ch.Name == fleet.Routing {
			view.Routing = &shown
			continue
		}
		view.Channels = append(view.Channels, shown)
		delete(paused, ch.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(paused)) {
		view.Channels = append(view.Channels, c.channelView(fleet.ChannelNow{Name: name}, paused[name]))
	}
}

func (c *Console) channelView(ch fleet.ChannelNow, paused *queue.Pause) channelView {
	view := channelView{ChannelNow: ch, Label: c.label(ch.Name), Paused: paused}
	classes := slices.SortedFunc(maps.Keys(ch.Rate.Failures), func(a, b string) int {
		return cmp.Or(cmp.Compare(ch.Rate.Failures[b], ch.Rate.Failures[a]), cmp.Compare(a, b))
	})
	for _, class := range classes {
		view.Failures = append(view.Failures, share{strings.ReplaceAll(class, "_", " "), perSecond(ch.Rate.Failures[class])})
	}
	for _, state := range slices.Sorted(maps.Keys(ch.Breakers)) {
		if n := ch.Breakers[state]; n > 0 {
			view.Breakers = append(view.Breakers, share{strings.ReplaceAll(state, "_", " "), strconv.Itoa(n)})
		}
	}
	return view
}

func memberOf(m fleet.Member) memberView {
	view := memberView{Member: m, Class: map[fleet.State]string{
		fleet.Working: "good", fleet.Draining: "warn", fleet.Silent: "bad", fleet.Left: "soft",
	}[m.State]}
	attempts := 0.0
	names := slices.Sorted(maps.Keys(m.Channels))
	for _, name := range names {
		ch := m.Channels[name]
		view.Slots += ch.Slots
		view.InFlight += ch.InFlight
		attempts += m.Rates[name].Attempts
	}
	view.Rate, view.Channels = perSecond(attempts), strings.Join(names, ", ")
	if m.Skew.Abs() > skewed {
		view.Skewed = m.Skew.Round(time.Second).String()
	}
	var lost []string
	for _, server := range slices.Sorted(maps.Keys(m.Servers)) {
		if !m.Servers[server] {
			lost = append(lost, server)
		}
	}
	view.Lost = strings.Join(lost, ", ")
	return view
}

// Since is how long a process has lived.
func (m memberView) Since() string {
	age := m.At.Sub(m.Started)
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%d s", int(age.Seconds()))
	case age < time.Hour:
		return fmt.Sprintf("%d min", int(age.Minutes()))
	case age < 48*time.Hour:
		return fmt.Sprintf("%d h", int(age.Hours()))
	}
	return fmt.Sprintf("%d days", int(age.Hours()/24))
}

func perSecond(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 0.1:
		return "< 0.1"
	case n < 100:
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return layout{}.Number(int(n + 0.5))
}

// seconds says a time in the unit that suits it.
func seconds(s float64) string {
	switch {
	case s < 1:
		return strconv.FormatFloat(1000*s, 'f', 0, 64) + " ms"
	case s < 120:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case s < 7200:
		return strconv.FormatFloat(s/60, 'f', 0, 64) + " min"
	}
	return strconv.FormatFloat(s/3600, 'f', 0, 64) + " h"
}

// actOnChannel pauses or resumes a channel in the whole fleet.
func (c *Console) actOnChannel(w http.ResponseWriter, r *http.Request, v visit) {
	if !c.readForm(w, r) {
		return
	}
	channel, what := r.PathValue("channel"), r.PostForm.Get("do")
	known := slices.ContainsFunc(c.channels(), func(k choice) bool { return k.Value == channel && channel != "" && channel != queue.EventLetters })
	if !known || what != "pause" && what != "resume" {
		c.answerFleet(w, r, v, http.StatusUnprocessableEntity, status{Text: "The form says nothing of what to do.", Bad: true})
		return
	}
	pause := queue.Pause{Channel: channel, By: v.name, Why: r.PostForm.Get("why"), At: time.Now().UTC()}
	ends, err := endOf(pause.At, r.PostForm.Get("minutes"))
	if err != nil {
		c.answerFleet(w, r, v, http.StatusUnprocessableEntity, status{Text: err.Error(), Bad: true})
		return
	}
	pause.Until = ends
	done, err := c.act(w, r, v, "channel."+what, "channel "+channel, pause.Why, func() error {
		if what == "pause" {
			return c.Queue.PauseChannel(r.Context(), pause)
		}
		return c.Queue.ResumeChannel(r.Context(), channel)
	})
	switch {
	case !done:
	case errors.Is(err, queue.ErrNotPaused):
		c.answerFleet(w, r, v, http.StatusConflict, status{Text: c.label(channel) + " is not paused.", Bad: true})
	case err != nil:
		c.unavailable(w, r, err)
	default:
		http.Redirect(w, r, c.home()+"/fleet", http.StatusSeeOther)
	}
}

// maxPause bounds a pause that ends by itself, in minutes: a year.
const maxPause = 366 * 24 * 60

// endOf is when a pause of so many minutes ends; zero, of none: not by itself.
func endOf(begin time.Time, minutes string) (time.Time, error) {
	minutes = strings.TrimSpace(minutes)
	if minutes == "" {
		return time.Time{}, nil
	}
	n, err := strconv.Atoi(minutes)
	if err != nil || n < 1 || n > maxPause {
		return time.Time{}, fmt.Errorf("Minutes are a number from 1 to %d, or nothing for a pause until it is resumed.", maxPause) //nolint:staticcheck // a sentence of the page
	}
	return begin.Add(time.Duration(n) * time.Minute), nil
}
