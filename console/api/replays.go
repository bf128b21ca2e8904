package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"tocsin/queue"
	"tocsin/replay"
)

// replayView is a replay as callers see it.
type replayView struct {
	ID       string             `json:"id"`
	State    string             `json:"state" enum:"planning,planned,running,paused,cancelled,done,failed" doc:"planning: its plan takes long, and is still being made; failed: there is none."`
	Made     time.Time          `json:"made"`
	Rate     float64            `json:"rate" doc:"Letters, or deliveries of events, a second at most; 0: as fast as it goes."`
	Filter   queue.LetterFilter `json:"filter" doc:"Of dead letters."`
	Events   *replay.Events     `json:"events,omitempty" doc:"Set where events are routed again, and no letters replayed."`
	Plan     replay.Plan        `json:"plan" doc:"What it found, and will replay: letters that die later, and events that are published later, are left alone."`
	Planning *replay.Planning   `json:"planning,omitempty" doc:"How far the plan is, while it is made."`
	Why      string             `json:"why,omitempty" doc:"Why it failed."`
	Handled  int                `json:"handled" doc:"How many letters, or events, were looked at, of total."`
	Total    int                `json:"total"`
	Replayed int                `json:"replayed" doc:"Letters, or deliveries of events, that were sent."`
	Skipped  int                `json:"skipped" doc:"What was not; letters stay."`
	Skips    map[string]int     `json:"skips,omitempty" doc:"Why: 'delivered', 'waiting', 'invalid', or the rule by which it is not wanted any more."`
	Gone     int                `json:"gone" doc:"Letters taken away meanwhile, or replayed just before a process died; known once it is done."`
}

func viewOf(j replay.Job) replayView {
	return replayView{
		ID: j.ID, State: string(j.State), Made: j.Made, Rate: j.Rate, Filter: j.Filter, Events: j.Events, Plan: j.Plan,
		Planning: j.Planning, Why: j.Why, Handled: j.Handled(), Total: j.Total(), Replayed: j.Replayed, Skipped: j.Skipped, Skips: j.Skips, Gone: j.Gone,
	}
}

// ReplayPath names a replay.
type ReplayPath struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9]{1,32}$" patternDescription:"letters and digits" doc:"The replay's id."`
}

type replayAnswer struct{ Body replayView }

func (a *API) registerReplays() {
	const topic = "Replays"
	type plan struct{ Body replayWanted }
	register(a, operation{
		id: "plan-replay", method: http.MethodPost, path: "/v1/replays", tag: topic, summary: "Plan a replay of dead letters, or of events", status: http.StatusCreated,
		more: "Nothing is replayed before it is started. The plan says how many letters there are, split by host and answer, or how many deliveries the events make, by channel and type; " +
			"and how many will be skipped, because the far end has them or they are not wanted any more.",
		errors: []int{http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *plan) (*replayAnswer, error) { return a.planReplay(ctx, in.Body) })

	type replayList struct {
		Replays []replayView `json:"replays" nullable:"false" doc:"Newest first."`
	}
	type list struct{ Body replayList }
	register(a, operation{
		id: "list-replays", method: http.MethodGet, path: "/v1/replays", tag: topic, summary: "All replays of the last 30 days",
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		jobs, err := a.Replays.List(ctx)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(jobs, func(a, b replay.Job) int { return b.Made.Compare(a.Made) })
		out := &list{Body: replayList{Replays: []replayView{}}}
		for _, j := range jobs {
			out.Body.Replays = append(out.Body.Replays, viewOf(j))
		}
		return out, nil
	})

	register(a, operation{
		id: "get-replay", method: http.MethodGet, path: "/v1/replays/{id}", tag: topic, summary: "How far a replay is",
	}, func(ctx context.Context, in *ReplayPath) (*replayAnswer, error) {
		return replayed(a.Replays.Get(ctx, in.ID))
	})

	type replayAction struct {
		Action string `json:"action" enum:"start,pause,cancel" doc:"start also goes on with one that was paused."`
	}
	type deed struct {
		ReplayPath
		Body replayAction
	}
	register(a, operation{
		id: "change-replay", method: http.MethodPost, path: "/v1/replays/{id}", tag: topic, summary: "Start, pause or cancel a replay",
		more:   "A started replay is run by one of the web processes, and by another one if that dies. Pausing and cancelling take effect after the letters that are in hand.",
		errors: []int{http.StatusConflict, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *deed) (*replayAnswer, error) {
		switch in.Body.Action {
		case "start":
			return replayed(a.replays(ctx).Start(ctx, in.ID))
		case "pause":
			return replayed(a.replays(ctx).Pause(ctx, in.ID))
		default:
			return replayed(a.replays(ctx).Cancel(ctx, in.ID))
		}
	})

	register(a, operation{
		id: "delete-replay", method: http.MethodDelete, path: "/v1/replays/{id}", tag: topic, summary: "Cancel a replay and forget it",
	}, func(ctx context.Context, in *ReplayPath) (*none, error) {
		return nil, a.replays(ctx).Remove(ctx, in.ID)
	})
}

type replayWanted struct {
	Filter *queue.LetterFilter `json:"filter,omitempty" doc:"Which letters. An empty filter chooses all. Either this or events is needed."`
	Events *eventsWanted       `json:"events,omitempty" doc:"Route these events again: everybody who wants one and has not got it is told."`
	Rate   *float64            `json:"rate,omitempty" minimum:"0" maximum:"100000" default:"200" doc:"Letters, or deliveries of events, a second at most."`
	Wait   *float64            `json:"wait,omitempty" minimum:"0" maximum:"3600" doc:"Seconds to wait for the plan at most. One that takes longer is made meanwhile: ask until its state is planned, or failed. Default: wait for it."`
}

type eventsWanted struct {
	Filter   queue.EventFilter `json:"filter" doc:"Which events. An empty filter chooses all that are kept."`
	User     string            `json:"user,omitempty" pattern:"^[A-Za-z0-9_-]{1,64}$" doc:"Tell this member alone, for example who joined after the events."`
	Channels []string          `json:"channels,omitempty" doc:"By these channels alone. Default: all that are offered."`
	Resend   bool              `json:"resend,omitempty" doc:"Also send what was delivered, once more and under the same delivery id."`
}

func (a *API) planReplay(ctx context.Context, wanted replayWanted) (*replayAnswer, error) {
	switch {
	case (wanted.Filter == nil) == (wanted.Events == nil):
		return nil, invalid(fault("body", "give either filter, for dead letters, or events"))
	case wanted.Filter != nil:
		if err := wanted.Filter.Check(); err != nil {
			return nil, invalid(fault("body.filter", err.Error()))
		}
		return replayed(a.planLetters(ctx, *wanted.Filter, *wanted.Rate, wanted.Wait))
	}
	e, offered := wanted.Events, a.Channels.Names()
	if err := e.Filter.Check(); err != nil {
		return nil, invalid(fault("body.events.filter", err.Error()))
	}
	for _, channel := range e.Channels {
		if !slices.Contains(offered, channel) {
			return nil, invalid(fault("body.events.channels", "this installation does not offer "+channel))
		}
	}
	if len(e.Channels) > 0 {
		offered = e.Channels
	}
	again := replay.Events{Filter: e.Filter, User: e.User, Channels: offered, Resend: e.Resend}
	return replayed(a.planEvents(ctx, again, *wanted.Rate, wanted.Wait))
}

func (a *API) planLetters(ctx context.Context, f queue.LetterFilter, rate float64, wait *float64) (replay.Job, error) {
	if wait == nil {
		return a.replays(ctx).Plan(ctx, f, rate)
	}
	return a.replays(ctx).PlanWithin(ctx, seconds(*wait), f, rate)
}

func (a *API) planEvents(ctx context.Context, e replay.Events, rate float64, wait *float64) (replay.Job, error) {
	if wait == nil {
		return a.replays(ctx).PlanEvents(ctx, e, rate)
	}
	return a.replays(ctx).PlanEventsWithin(ctx, seconds(*wait), e, rate)
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func replayed(j replay.Job, err error) (*replayAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &replayAnswer{Body: viewOf(j)}, nil
}
