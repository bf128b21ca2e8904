package ios

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
	"tocsin/schema"
)

const deviceToken = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"

func startAPNs(t *testing.T, options farend.APNsOptions) (*farend.APNs, *farend.Log) {
	t.Helper()
	log := &farend.Log{}
	server, err := farend.NewAPNsWith(log, options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return server, log
}

func configFor(t *testing.T, server *farend.APNs) Config {
	t.Helper()
	c, err := server.WriteCredentials(t.TempDir())
	require.NoError(t, err)
	return Config{KeyFile: c.KeyFile, KeyID: c.KeyID, TeamID: c.TeamID, Topic: c.Topic, CAFile: c.CAFile, URL: server.URL()}
}

func open(t *testing.T, c Config) *channel {
	t.Helper()
	opened, err := c.Open()
	require.NoError(t, err)
	return opened.(*channel)
}

func delivery(kind, id string) schema.Delivery {
	return schema.Delivery{
		Event: schema.Event{
			ID: id, Source: "/test", Type: kind, Account: "acme", ResourceName: "web-1", StackName: "Ledger",
			Subject: "server/srv-1", Link: "https://paas.example.com/servers?id=1&x=<y>",
			Time: time.Now().Truncate(time.Second), Data: json.RawMessage(`{"server":"srv-1","region":"eu-1"}`),
		},
		User: "ada", Channel: "ios", Target: "phone",
	}
}

func target() channels.Target { return targetOf(deviceToken, "") }

func targetOf(token, environment string) channels.Target {
	settings := fmt.Sprintf(`{"token":%q,"environment":%q,"name":"phone"}`, token, environment)
	return channels.Target{ID: "phone", Settings: json.RawMessage(settings)}
}

// tokenOf makes a device token for each number.
func tokenOf(n int) string { return fmt.Sprintf("%064x", n) }

func received(log *farend.Log) []farend.Received {
	all, _ := log.Since(0)
	return all
}

// headers of a push as the far end keeps them.

func headers(t *testing.T, got farend.Received) http.Header {
	t.Helper()
	_, rest, _ := strings.Cut(got.Raw, "\r\n")
	head, _, _ := strings.Cut(rest, "\r\n\r\n")
	h := http.Header{}
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func decode(t *testing.T, got farend.Received) payload {
	t.Helper()
	var p payload
	require.NoError(t, json.Unmarshal([]byte(got.Text), &p))
	return p
}

func TestDelivered(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, server))
	stopped, back := delivery("server.stopped", "1"), delivery("server.backon", "2")
	deploy := delivery("stack.deploy.started", "3")
	deploy.Event.Subject, deploy.Event.Data = "stack/1", json.RawMessage(`{"name":"Ledger","uid":"1"}`)
	for _, d := range []schema.Delivery{stopped, back, deploy} {
		require.NoError(t, c.Send(t.Context(), d, target()))
	}
	got := received(log)
	require.Len(t, got, 3)
	require.Equal(t, stopped.ID(), got[0].Delivery)
	require.Equal(t, deviceToken, got[0].To)
	require.Equal(t, "200", got[0].Status)

	h := headers(t, got[0])
	require.Equal(t, "alert", h.Get("apns-push-type"))
	require.Equal(t, "10", h.Get("apns-priority"))
	require.Equal(t, "com.example.tocsin", h.Get("apns-topic"))
	require.Equal(t, fmt.Sprint(stopped.Event.Time.Add(24*time.Hour).Unix()), h.Get("apns-expiration"))
	require.Equal(t, h.Get("apns-collapse-id"), headers(t, got[1]).Get("apns-collapse-id"), "recovery replaces the failure")
	require.NotEqual(t, h.Get("apns-collapse-id"), headers(t, got[2]).Get("apns-collapse-id"))

	first, second, third := decode(t, got[0]), decode(t, got[1]), decode(t, got[2])
	require.Equal(t, alert{Title: "Server web-1 stopped sending heartbeats", Subtitle: "Ledger", Body: "Region: eu-1"}, first.APS.Alert)
	require.Equal(t, "https://paas.example.com/servers?id=1&x=<y>", strings.ReplaceAll(strings.ReplaceAll(first.Link, "%3C", "<"), "%3E", ">"))
	require.Equal(t, "server.stopped", first.EventType)
	require.Equal(t, []string{"default", "time-sensitive"}, []string{first.APS.Sound, first.APS.InterruptionLevel})
	require.Equal(t, []string{"", "passive"}, []string{second.APS.Sound, second.APS.InterruptionLevel})
	require.Equal(t, []string{"", "active"}, []string{third.APS.Sound, third.APS.InterruptionLevel})
	require.Equal(t, first.APS.ThreadID, third.APS.ThreadID, "grouped by stack")
	require.Equal(t, "Stack deployment started", third.APS.Alert.Body)
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	files, err := server.WriteCredentials(t.TempDir())
	require.NoError(t, err)
	c := open(t, Config{CertFile: files.CertFile, Topic: files.Topic, CAFile: files.CAFile, URL: server.URL()})
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Len(t, received(log), 1)
}

func TestTrialShowsApplesAnswer(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	server.Answer(deviceToken, farend.APNsAnswer{Status: http.StatusBadRequest, Reason: "BadDeviceToken"})
	c := open(t, configFor(t, server))
	d := delivery("job.fail", "1")
	refused := channels.Try(t.Context(), c, d, target())
	require.Error(t, refused.Err)
	require.Equal(t, "400", refused.Status)
	require.JSONEq(t, `{"reason":"BadDeviceToken"}`, refused.Excerpt)
	require.Equal(t, map[string][]string{"apns-id": {d.ID()}}, refused.Header)
	taken := channels.Try(t.Context(), c, d, target())
	require.NoError(t, taken.Err)
	require.Equal(t, "200", taken.Status)
	require.Empty(t, taken.Excerpt)
}

func TestTooLargeIsWrittenShorterOnce(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, server))
	tooLarge := farend.APNsAnswer{Status: http.StatusRequestEntityTooLarge, Reason: "PayloadTooLarge"}
	long := delivery("job.fail", "1")
	long.Event.Link = "https://paas.example.com/" + strings.Repeat("x", 900)
	long.Event.Data = json.RawMessage(`{"name":"export","cron":"` + strings.Repeat("\U0001F6A8", 190) + `"}`)
	long.Event.StackName = strings.Repeat("\U0001F6A8", 190)
	server.Answer(deviceToken, tooLarge)
	require.NoError(t, c.Send(t.Context(), long, target()))
	got := received(log)
	require.Len(t, got, 2)
	require.Greater(t, len(got[0].Text), shorterPayload)
	require.LessOrEqual(t, len(got[1].Text), shorterPayload)
	require.Equal(t, got[0].Delivery, got[1].Delivery)

	server.Answer(deviceToken, tooLarge, tooLarge)
	failure := channels.FailureOf(c.Send(t.Context(), long, target()))
	require.Equal(t, channels.Permanent, failure.Kind)
	require.Len(t, received(log), 4)
}
