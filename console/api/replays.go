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
	State    string             `json:"state" enum:"planned,running,paused,cancelled,done"`
	Made     time.Time          `json:"made"`
	Rate     float64            `json:"rate" doc:"Letters a second at most; 0: as fast as it goes."`
	Filter   queue.LetterFilter `json:"filter"`
	Plan     replay.Plan        `json:"plan" doc:"What it found, and will replay: letters that die later stay."`
	Replayed int                `json:"replayed"`
	Skipped  int                `json:"skipped" doc:"Not wanted any more by their users: these letters stay."`
	Gone     int                `json:"gone" doc:"Taken away meanwhile, or replayed just before a process died; known once it is done."`
}

func viewOf(j replay.Job) replayView {
	return replayView{
		ID: j.ID, State: string(j.State), Made: j.Made, Rate: j.Rate, Filter: j.Filter, Plan: j.Plan,
		Replayed: j.Replayed, Skipped: j.Skipped, Gone: j.Gone,
	}
}

// ReplayPath names a replay.
type ReplayPath struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9]{1,32}$" patternDescription:"letters and digits" doc:"The replay's id."`
}

type replayAnswer struct{ Body replayView }

func (a *API) registerReplays() {
	const topic = "Replays"
	type replayWanted struct {
		Filter queue.LetterFilter `json:"filter" doc:"Which letters. An empty filter chooses all."`
		Rate   *float64           `json:"rate,omitempty" minimum:"0" maximum:"100000" default:"200" doc:"Letters a second at most."`
	}
	type plan struct{ Body replayWanted }
	register(a, operation{
		id: "plan-replay", method: http.MethodPost, path: "/v1/replays", tag: topic, summary: "Plan a replay of dead letters", status: http.StatusCreated,
		more:   "Nothing is replayed before it is started. The plan says how many letters there are, split by host and answer, and how many are not wanted any more.",
		errors: []int{http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *plan) (*replayAnswer, error) {
		if err := in.Body.Filter.Check(); err != nil {
			return nil, invalid(fault("body.filter", err.Error()))
		}
		return replayed(a.Replays.Plan(ctx, in.Body.Filter, *in.Body.Rate))
	})

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
			return replayed(a.Replays.Start(ctx, in.ID))
		case "pause":
			return replayed(a.Replays.Pause(ctx, in.ID))
		default:
			return replayed(a.Replays.Cancel(ctx, in.ID))
		}
	})

	register(a, operation{
		id: "delete-replay", method: http.MethodDelete, path: "/v1/replays/{id}", tag: topic, summary: "Cancel a replay and forget it",
	}, func(ctx context.Context, in *ReplayPath) (*none, error) {
		return nil, a.Replays.Remove(ctx, in.ID)
	})
}

func replayed(j replay.Job, err error) (*replayAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &replayAnswer{Body: viewOf(j)}, nil
}
