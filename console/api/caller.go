package api

import (
	"context"
	"net/http"

	"tocsin/replay"
	"tocsin/schema"
)

// recorder records an act before it is done: an audit.Trail.
type recorder interface {
	Do(ctx context.Context, a schema.Act, do func() error) error
}

// caller is who asks, in a request's context.
type caller struct{}

// calledBy notes which key was shown, by a mark that tells nothing of it, and from
// where.
func calledBy(r *http.Request, mark string) *http.Request {
	by := schema.Act{Who: "key " + mark, Via: schema.ByAPI, From: r.RemoteAddr}
	return r.WithContext(context.WithValue(r.Context(), caller{}, by))
}

// replays are those that the request's caller plans, runs and stops.
func (a *API) replays(ctx context.Context) replay.Audited {
	by, _ := ctx.Value(caller{}).(schema.Act)
	return replay.Audited{Replays: a.Replays, Trail: a.Trail, By: by}
}
