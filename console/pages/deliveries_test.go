package pages_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/console/browsertest"
	"tocsin/farend"
	"tocsin/ledger"
	"tocsin/prefs"
	"tocsin/queue"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// again finds the form that sends one delivery again, in a page that has one.
var again = regexp.MustCompile(`name="replay" value="(\d+)">\s*<button class="link" name="delivery" value="([^"]+)"`)

func sendAgain(t *testing.T, page string) url.Values {
	t.Helper()
	found := again.FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, found)
	last := found[len(found)-1]
	return url.Values{"replay": {last[1]}, "delivery": {last[2]}}
}

func TestDeliveriesSayWhatBecameOfEach(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.target("ada", "webhook", "main", map[string]string{"url": i.hook.URL() + "/hook", "secret": hookSecret})
	v := i.opened("ada")
	_, page := v.get("/settings/ada/deliveries")
	require.Contains(t, page, "Nothing has happened since")

	v.post("/settings/ada/events", url.Values{"set": {"job.fail/email=off"}})
	i.hook.Answer("/hook", farend.HookAnswer{Status: http.StatusServiceUnavailable}, farend.HookAnswer{Status: http.StatusNotFound})
	i.publish("job.fail", "1") // 503: another attempt
	i.settled("ada", 1)
	i.publish("job.backon", "2") // 404: none
	i.settled("ada", 3)
	i.publish("stack.deploy.started", "3") // off by default
	require.Eventually(t, func() bool {
		_, page = v.get("/settings/ada/deliveries")
		return strings.Contains(page, "Stack deployment started")
	}, browsertest.Patience, 50*time.Millisecond)
	for _, words := range []string{
		"Will be tried again", "Next try today, ", "Given up", "Attempt 1 failed: ", "503", "404",
		"Email: you switched this off on " + time.Now().UTC().Format("2 January 2006"), "iOS push: not set up", "Email: off by default", "Webhook: off by default",
	} {
		require.Contains(t, page, words)
	}
	_, page = v.get("/settings/ada/deliveries?show=trouble")
	require.Contains(t, page, "Given up")
	require.NotContains(t, page, "Stack deployment started")
	_, page = v.get("/settings/ada/deliveries?until=2020-01-01T00:00:00Z")
	require.Contains(t, page, "Nothing has happened since")
}

// However often it is clicked, and by whichever of two windows.
func TestSendingAgainOnce(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.person("bob")
	i.target("ada", "webhook", "main", map[string]string{"url": i.hook.URL() + "/hook", "secret": hookSecret})
	i.publish("job.fail", "1")
	i.settled("ada", 2)
	v := i.opened("ada")
	_, page := v.get("/settings/ada/deliveries")
	form := sendAgain(t, page)

	stranger, _ := i.opened("bob").post("/settings/bob/deliveries", form)
	require.Equal(t, http.StatusConflict, stranger.StatusCode, "what is somebody else's")
	for _, replay := range []string{"", "0", "-1", "2", "x"} {
		answer, _ := v.post("/settings/ada/deliveries", url.Values{"delivery": form["delivery"], "replay": {replay}})
		require.Equal(t, http.StatusConflict, answer.StatusCode, "replay %q", replay)
	}
	var clicks sync.WaitGroup
	for range 8 {
		clicks.Go(func() { v.post("/settings/ada/deliveries", form) })
	}
	clicks.Wait()
	require.Equal(t, i.arrived("/hook", 1).Delivery, i.arrived("/hook", 2).Delivery)
	require.Eventually(t, func() bool { return i.state("ada", form.Get("delivery")).State == ledger.Delivered }, browsertest.Patience, 20*time.Millisecond)
	require.Equal(t, 1, i.state("ada", form.Get("delivery")).Replays())
	answer, page := v.post("/settings/ada/deliveries", form)
	require.Equal(t, http.StatusConflict, answer.StatusCode)
	require.Contains(t, page, "It was sent again already.")
	require.Equal(t, "2", sendAgain(t, page).Get("replay"), "and once more is another matter")
}

// Sending a dead delivery again takes its dead letter away.
func TestSendingTheDeadAgain(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.target("ada", "webhook", "main", map[string]string{"url": i.hook.URL() + "/hook", "secret": hookSecret})
	i.hook.Answer("/hook", farend.HookAnswer{Status: http.StatusNotFound})
	i.publish("job.fail", "1")
	i.settled("ada", 2)
	letters := func() (n int) {
		for _, err := range i.queue.DeadLetters(t.Context(), queue.LetterFilter{}, 0) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 1, letters())
	v := i.opened("ada")
	_, page := v.get("/settings/ada/deliveries")
	form := sendAgain(t, page)
	answer, _ := v.post("/settings/ada/deliveries", form)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Eventually(t, func() bool { return i.state("ada", form.Get("delivery")).State == ledger.Delivered }, browsertest.Patience, 20*time.Millisecond)
	require.Zero(t, letters())
}

// What the platform publishes for an account that a user has left is not told.
func TestDeliveriesOfAnAccountThatWasLeft(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.publish("job.fail", "1")
	i.settled("ada", 1)
	v := i.opened("ada")
	_, page := v.get("/settings/ada/deliveries")
	form := sendAgain(t, page)
	require.NoError(t, i.store.RemoveMember(t.Context(), account, "ada"))
	_, page = v.get("/settings/ada/deliveries")
	require.Contains(t, page, "Nothing has happened since")
	answer, _ := v.post("/settings/ada/deliveries", form)
	require.Equal(t, http.StatusConflict, answer.StatusCode)
}

func (i *installation) state(user, delivery string) ledger.Delivery {
	i.t.Helper()
	stories, err := ledger.Stories(i.records(i.t.Context(), user))
	require.NoError(i.t, err)
	for _, s := range stories {
		for _, d := range s.Deliveries {
			if d.ID == delivery {
				return d
			}
		}
	}
	return ledger.Delivery{}
}

func TestHealthInPlainWords(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.target("ada", "webhook", "main", map[string]string{"url": i.hook.URL() + "/hook", "secret": hookSecret})
	v := i.opened("ada")
	health := func(words ...string) {
		t.Helper()
		_, page := v.get("/settings/ada/channels")
		_, card, _ := strings.Cut(page, `id="webhook"`)
		for _, w := range words {
			require.Contains(t, card, w)
		}
	}
	health("Set up", "Nothing was sent yet.", i.hook.URL()+"/hook")
	i.publish("stack.redeploy.ok", "1")
	i.settled("ada", 2)
	health("Working", "Last delivered today, ")
	i.hook.Answer("/hook", farend.HookAnswer{Status: http.StatusServiceUnavailable})
	i.publish("stack.redeploy.fail", "2")
	i.settled("ada", 4)
	health("Failing", "503", "Next try today, ")
	_, err := i.store.SwitchOff(t.Context(), "ada", prefs.TargetRef{Channel: "webhook", ID: "main"}, "it answers 410", i.now())
	require.NoError(t, err)
	health("Switched off", "It answers 410.", "Save the settings to switch it on again.")
	_, page := v.get("/settings/ada/events")
	require.Contains(t, page, `<span class="unseen">Webhook is </span>off`)
}

func TestDevices(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	token := strings.Repeat("0a", 32)
	_, page := v.post("/settings/ada/channels", url.Values{"channel": {"ios"}, "do": {"save"}, "token": {token}, "name": {"My <pad>"}})
	require.Contains(t, page, "My &lt;pad&gt;")
	require.NotContains(t, page, token)
	id := prefs.DeviceID(token)
	require.Contains(t, page, `value="`+id+`"`)
	answer, page := v.post("/settings/ada/channels", url.Values{"channel": {"ios"}, "do": {"save"}, "token": {"xyz"}, "name": {"Another"}})
	require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode)
	require.Contains(t, page, "The device token is not hexadecimal")
	require.Contains(t, page, `value="Another"`, "what was entered is kept")
	_, page = v.post("/settings/ada/channels", url.Values{"channel": {"ios"}, "do": {"remove"}, "id": {id}})
	require.NotContains(t, page, "My &lt;pad&gt;")
}

// Credentials go in and never come out.
func TestCredentialsStayInside(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	secrets := []string{"a-token-of-a-room", "Bearer s3cr3t-of-a-header"}
	v.post("/settings/ada/channels", url.Values{"channel": {"hipchat"}, "do": {"save"}, "token": {secrets[0]}, "room": {room}})
	v.post("/settings/ada/channels", url.Values{"channel": {"webhook"}, "do": {"save"}, "url": {i.hook.URL()}, "headers": {"Authorization: " + secrets[1]}})
	v.post("/settings/ada/channels", url.Values{"channel": {"hipchat"}, "do": {"save"}, "room": {"Another room"}}) // the token is kept
	_, page := v.get("/settings/ada/channels")
	require.Contains(t, page, "Another room")
	for _, secret := range append(secrets, "whsec_M") {
		require.NotContains(t, page, secret)
	}
	_, page = v.post("/settings/ada/channels", url.Values{"channel": {"webhook"}, "do": {"test"}, "id": {"main"}, "type": {"job.fail"}})
	require.Contains(t, page, "Delivered")
	for _, secret := range secrets {
		require.NotContains(t, page, secret)
	}
	targets, err := i.store.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.Contains(t, string(targets[1].Settings), secrets[0])
	v.post("/settings/ada/channels", url.Values{"channel": {"webhook"}, "do": {"save"}, "url": {i.hook.URL()}, "clear": {"headers"}})
	targets, err = i.store.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.NotContains(t, string(targets[2].Settings), "headers")
}
