package slack

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"tocsin/channels/channeltest"
	"tocsin/farend"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"Slack": farend.SlackHook, "Mattermost": farend.MattermostHook, "Discord": farend.DiscordHook} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, log := newSlack(t)
			answer := func(a farend.HookAnswer) { server.Answer(path, a) }
			channeltest.Run(t, channeltest.Subject{
				Spec:        Spec(),
				Channel:     local(),
				Target:      target(t, server.URL()+path),
				Arrived:     log.Deliveries,
				Temporarily: func() { answer(farend.HookAnswer{Status: http.StatusInternalServerError, Text: "rollup_error"}) },
				Permanently: func() { answer(farend.HookAnswer{Status: http.StatusForbidden, Text: "action_prohibited"}) },
				Wait: func(d time.Duration) {
					after := http.Header{"Retry-After": {strconv.Itoa(int(d.Seconds()))}}
					answer(farend.HookAnswer{Status: http.StatusTooManyRequests, Header: after})
				},
				Hang: func() <-chan struct{} {
					answer(farend.HookAnswer{Hang: true})
					_, reached := log.Since(0)
					return reached
				},
				Flood:   func() { answer(farend.HookAnswer{Body: 1 << 30}) },
				Secrets: []string{path, "XXXX", "xxxx"},
			})
		})
	}
}
