package hipchat_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/channeltest"
	"tocsin/channels/hipchat"
	"tocsin/farend"
)

const (
	room  = "Ops / night"
	token = "d4f1e0c2b3a49586"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for version, limit := range map[string]func(resetAt string) farend.HookAnswer{
		"1": func(resetAt string) farend.HookAnswer {
			return farend.HookAnswer{Status: http.StatusForbidden, Header: rateHeader("X-RateLimit-", "0", resetAt)}
		},
		"2": func(resetAt string) farend.HookAnswer {
			return farend.HookAnswer{Status: http.StatusTooManyRequests, Header: rateHeader("X-FloodControl-", "0", resetAt)}
		},
	} {
		t.Run("API v"+version, func(t *testing.T) {
			t.Parallel()
			channeltest.Run(t, subject(t, version, limit))
		})
	}
}

func rateHeader(prefix, remaining, reset string) http.Header {
	h := http.Header{}
	h.Set(prefix+"Remaining", remaining)
	h.Set(prefix+"Reset", reset)
	return h
}

func subject(t *testing.T, version string, limit func(resetAt string) farend.HookAnswer) channeltest.Subject {
	log := &farend.Log{}
	server := newServer(t, log)
	spec := hipchat.Spec()
	return channeltest.Subject{
		Spec:        spec,
		Channel:     openAt(t, server.URL()),
		Target:      target(t, version),
		Arrived:     log.Deliveries,
		Temporarily: func() { server.Answer(room, farend.HookAnswer{Status: http.StatusServiceUnavailable}) },
		Permanently: func() { // twice: with the card of API v2, and without
			refusals := []farend.HookAnswer{{Status: http.StatusBadRequest}, {Status: http.StatusBadRequest}}
			server.Answer(room, refusals[:map[string]int{"1": 1, "2": 2}[version]]...)
		},
		Wait: func(d time.Duration) {
			server.Answer(room, limit(strconv.FormatInt(time.Now().Add(d).Unix(), 10)))
		},
		Hang: func() <-chan struct{} {
			server.Answer(room, farend.HookAnswer{Hang: true})
			_, reached := log.Since(0)
			return reached
		},
		Flood:   func() { server.Answer(room, farend.HookAnswer{Body: 1 << 30}) },
		Secrets: []string{token, room, "Ops"},
	}
}

func newServer(t *testing.T, log *farend.Log) *farend.HipChat {
	t.Helper()
	server, err := farend.NewHipChat(log, map[string]string{room: token})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

func openAt(t *testing.T, url string) channels.Channel {
	t.Helper()
	channel, err := (&hipchat.Config{URL: url}).Open()
	require.NoError(t, err)
	return channel
}

func target(t *testing.T, version string) channels.Target {
	t.Helper()
	settings, err := json.Marshal(hipchat.Settings{Token: token, Room: room, APIVersion: version})
	require.NoError(t, err)
	return channels.Target{ID: channels.MainTarget, Settings: settings}
}
