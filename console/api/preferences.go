package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"tocsin/prefs"
	"tocsin/schema"
)

// preference is one square of the table.
type preference struct {
	On       bool      `json:"on" doc:"Whether the user is told: their choice, or else the default."`
	Default  bool      `json:"default" doc:"What the type does by itself."`
	Chosen   bool      `json:"chosen" doc:"Whether the user has chosen."`
	ChosenAt time.Time `json:"chosen_at,omitzero" doc:"When."`
	SetUp    bool      `json:"set_up" doc:"Whether the channel is set up and on: only then is anything sent."`
}

// preferences is one row of the table.
type preferences struct {
	Type     string                `json:"type" example:"stack.redeploy.ok"`
	Meaning  string                `json:"meaning" example:"Stack redeployed successfully"`
	Group    string                `json:"group" example:"stack"`
	Channels map[string]preference `json:"channels" doc:"By each channel that the installation offers."`
}

type table struct {
	Channels []string      `json:"channels" nullable:"false" doc:"What the installation offers, in order."`
	Types    []preferences `json:"types" nullable:"false" doc:"The thirteen event types, in order."`
}

type tableAnswer struct {
	ETag string `header:"ETag"`
	Body table
}

func (a *API) registerPreferences() {
	const path, topic = "/v1/users/{user}/preferences", "Preferences"
	register(a, operation{
		id: "get-preferences", method: http.MethodGet, path: path, tag: topic, summary: "Read a user's preferences",
		more: "The table of event types and channels, resolved: what is a default is told from what was chosen.",
	}, func(ctx context.Context, in *UserPath) (*tableAnswer, error) {
		return a.table(ctx, in.User)
	})

	type patch struct {
		UserPath
		Precondition
		Body map[string]map[string]*bool `doc:"By type and channel: true or false is the user's choice, null goes back to the default. What is not named is kept." example:"{\"stack.redeploy.ok\":{\"email\":false,\"webhook\":true}}"`
	}
	register(a, operation{
		id: "patch-preferences", method: http.MethodPatch, path: path, tag: topic, summary: "Change some of a user's preferences",
		more: "All of them are changed, or none. Changes of other squares at the same time are kept.", errors: []int{http.StatusPreconditionFailed},
	}, func(ctx context.Context, in *patch) (*tableAnswer, error) {
		choices, err := a.choices(in.Body)
		if err == nil {
			err = a.Store.ReplaceChoices(ctx, in.User, choices, in.seen())
		}
		if err != nil {
			return nil, err
		}
		return a.table(ctx, in.User)
	})

	type reset struct {
		UserPath
		Precondition
	}
	register(a, operation{
		id: "delete-preferences", method: http.MethodDelete, path: path, tag: topic, summary: "Go back to the defaults",
		more: "Forgets every choice of the user. Channels stay set up.", errors: []int{http.StatusPreconditionFailed},
	}, func(ctx context.Context, in *reset) (*none, error) {
		return &none{}, a.Store.ResetChoices(ctx, in.User, in.seen())
	})
}

func (a *API) table(ctx context.Context, user string) (*tableAnswer, error) {
	names := a.Channels.Names()
	choices, revision, err := a.Store.Choices(ctx, user, names)
	if err != nil {
		return nil, err
	}
	out := &tableAnswer{ETag: tag(revision), Body: table{Channels: names, Types: []preferences{}}}
	for _, t := range schema.Types() {
		row := preferences{Type: t.Name, Meaning: t.Meaning, Group: t.Group, Channels: map[string]preference{}}
		for _, c := range choices[:len(names)] {
			row.Channels[c.Channel] = preference{On: c.Wanted, Default: c.Default, Chosen: c.Chosen, ChosenAt: c.ChosenAt, SetUp: c.SetUp}
		}
		choices = choices[len(names):]
		out.Body.Types = append(out.Body.Types, row)
	}
	return out, nil
}

// choices says of each square that is not in the table that it is not.
func (a *API) choices(body map[string]map[string]*bool) (map[prefs.Cell]*bool, error) {
	choices := map[prefs.Cell]*bool{}
	problem := problemOf(http.StatusUnprocessableEntity, "the request is understood, and cannot be as it is")
	for _, typeName := range slices.Sorted(maps.Keys(body)) {
		if _, known := schema.TypeNamed(typeName); !known {
			problem.Errors = append(problem.Errors, fault("body."+typeName, "there is no such event type"))
			continue
		}
		for channel, on := range body[typeName] {
			if !slices.Contains(a.Channels.Names(), channel) {
				problem.Errors = append(problem.Errors, fault("body."+typeName+"."+channel, "this installation does not offer such a channel"))
			}
			choices[prefs.Cell{Type: typeName, Channel: channel}] = on
		}
	}
	if len(problem.Errors) > 0 {
		return nil, problem
	}
	return choices, nil
}
