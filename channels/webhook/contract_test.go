package webhook_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/channeltest"
	"tocsin/channels/webhook"
	"tocsin/farend"
)

const hookPath = "/hooks/T0a1b2c3"

// capability is the part of a URL that lets its holder post.
const capability = "key=s3cr3t-in-the-query"

func TestContract(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	hook, err := farend.NewHook(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	secret := webhook.NewSecret()
	hook.Verify(hookPath, secret)

	spec := webhook.Spec()
	config := spec.Config.(*webhook.Config)
	config.Timeout, config.Allow = 15*time.Second, []string{"127.0.0.0/8"}
	channel, err := config.Open()
	require.NoError(t, err)
	settings, err := json.Marshal(webhook.Settings{URL: hook.URL() + hookPath + "?" + capability, Secret: secret})
	require.NoError(t, err)

	channeltest.Run(t, channeltest.Subject{
		Spec:        spec,
		Channel:     channel,
		Target:      channels.Target{ID: channels.MainTarget, Settings: settings},
		Arrived:     log.Deliveries,
		CarriesID:   true,
		Temporarily: func() { hook.Answer(hookPath, farend.HookAnswer{Status: http.StatusServiceUnavailable}) },
		Permanently: func() { hook.Answer(hookPath, farend.HookAnswer{Status: http.StatusForbidden}) },
		Wait: func(d time.Duration) {
			after := http.Header{"Retry-After": {strconv.Itoa(int(d.Seconds()))}}
			hook.Answer(hookPath, farend.HookAnswer{Status: http.StatusTooManyRequests, Header: after})
		},
		Hang: func() <-chan struct{} {
			hook.Answer(hookPath, farend.HookAnswer{Hang: true})
			_, reached := log.Since(0)
			return reached
		},
		Flood:   func() { hook.Answer(hookPath, farend.HookAnswer{Body: 1 << 30}) },
		Secrets: []string{secret, hookPath, capability},
	})
}
