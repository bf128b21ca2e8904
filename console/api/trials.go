package api

import (
	"cmp"
	"context"
	"net/http"

	"tocsin/channels"
	"tocsin/console/targets"
)

// sampleType is what a test sends unless another one is asked for.
const sampleType = "stack.redeploy.fail"

func (a *API) registerTrials() {
	type testWanted struct {
		Type   string `json:"type,omitempty" default:"stack.redeploy.fail" doc:"The event type whose sample is sent."`
		Device string `json:"device,omitempty" pattern:"^[A-Za-z0-9_-]{1,64}$" doc:"Which device, where there are several."`
	}
	type try struct {
		ChannelPath
		Body *testWanted `required:"false"`
	}
	type tried struct{ Body targets.Report }
	register(a, operation{
		id: "test-channel", method: http.MethodPost, path: "/v1/users/{user}/channels/{channel}/test", tag: "Channels", summary: "Try a channel",
		more: "Sends a sample now, by the path that deliveries go, and answers with what the far end said, or with the exact error and what to do. " +
			"At most ten a minute for one user.",
		errors: []int{http.StatusNotImplemented},
	}, func(ctx context.Context, in *try) (*tried, error) {
		if in.Body == nil {
			in.Body = &testWanted{}
		}
		report, err := a.Channels.Test(ctx, in.User, in.Channel, cmp.Or(in.Body.Device, channels.MainTarget), cmp.Or(in.Body.Type, sampleType))
		return &tried{report}, err
	})
}
