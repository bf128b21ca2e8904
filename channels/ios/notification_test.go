package ios

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
	"tocsin/schema"
)

func TestLevelAndSoundByType(t *testing.T) {
	t.Parallel()
	loud, quiet, plain := [2]string{"time-sensitive", "default"}, [2]string{"passive", ""}, [2]string{"active", ""}
	want := map[string][2]string{
		"stack.provision.ok": quiet, "stack.redeploy.ok": quiet, "server.backon": quiet, "job.backon": quiet,
		"stack.provision.fail": loud, "stack.redeploy.fail": loud, "stack.redeploy.hook.fail": loud,
		"server.stopped": loud, "job.fail": loud, "process.down": loud,
		"app.auth": plain, "app.deauth": plain, "stack.deploy.started": plain,
	}
	require.Len(t, schema.Types(), len(want))
	for _, kind := range schema.Types() {
		encoded := render(delivery(kind.Name, "1"), longestPayload)
		var p payload
		require.NoError(t, json.Unmarshal(encoded, &p))
		require.Equal(t, want[kind.Name], [2]string{p.APS.InterruptionLevel, p.APS.Sound}, kind.Name)
		require.NotContains(t, string(encoded), "badge")
		require.Equal(t, kind.Name, p.EventType)
	}
}

// What tells the present state of a thing replaces what was said of it before;
// nothing else does.
func TestWhatReplacesWhat(t *testing.T) {
	t.Parallel()
	c := &channel{}
	key := func(account, kind, subject, data string) string {
		d := delivery(kind, "1")
		d.Event.Account, d.Event.Subject, d.Event.Data = account, subject, json.RawMessage(data)
		return c.notification(d, device{}).CollapseID
	}
	groups := map[string][]string{
		"server":         {key("acme", "server.stopped", "", `{"uid":"agent","server":"s1"}`), key("acme", "server.backon", "server/s1", `{}`)},
		"another":        {key("acme", "server.stopped", "server/s2", `{}`)},
		"other account":  {key("emca", "server.stopped", "server/s1", `{}`)},
		"job":            {key("acme", "job.fail", "", `{"uid":"s1"}`), key("acme", "job.backon", "job/s1", `{}`)},
		"stack":          {key("acme", "stack.deploy.started", "", `{"uid":"s1"}`), key("acme", "stack.redeploy.ok", "", `{"uid":"s1"}`), key("acme", "stack.redeploy.fail", "stack/s1", `{}`)},
		"process":        {key("acme", "process.down", "", `{"process_name":"web","server":"s1"}`)},
		"other process":  {key("acme", "process.down", "", `{"process_name":"job","server":"s1"}`)},
		"app":            {key("acme", "app.auth", "", `{"app":"s1"}`), key("acme", "app.deauth", "", `{"app":"s1"}`)},
		"of no resource": {key("acme", "process.down", "", `{}`)},
	}
	seen := map[string]string{}
	for name, group := range groups {
		for _, id := range group {
			require.Equal(t, group[0], id, name)
			require.LessOrEqual(t, len(id), 64, "bytes, by Apple's documentation")
		}
		require.Empty(t, seen[group[0]], name)
		seen[group[0]] = name
	}
}

func TestPayloadFits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"x", "ü", "<", "\U0001F600", "\\", "\u2028", "e\u0301", "\u202eabc", "שלום ", "مرحبا ", "\U0001F468\u200d\U0001F469\u200d\U0001F467",
		"\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA ", "\xff", "क्षि",
	} {
		long, err := json.Marshal(strings.Repeat(text, 1000))
		require.NoError(t, err)
		d := delivery("stack.redeploy.fail", "1")
		d.Event.StackName = strings.Repeat(text, 1000)
		d.Event.Link = "https://paas.example.com/?" + strings.Repeat("&", 150)
		d.Event.Data = json.RawMessage(strings.ReplaceAll(
			`{"name":L,"environment":L,"git_branch":L,"cron":L,"region":L,"status":L,"health":L,"deploy_context":{"triggered_by":L}}`, "L", string(long)))
		for _, longest := range []int{longestPayload, shorterPayload} {
			checkPayload(t, d.Event, longest)
		}
	}
}

func checkPayload(t require.TestingT, e schema.Event, longest int) {
	encoded := render(schema.Delivery{Event: e}, longest)
	require.LessOrEqual(t, len(encoded), longest)
	require.True(t, utf8.Valid(encoded))
	var p payload
	require.NoError(t, json.Unmarshal(encoded, &p))
	require.NotEmpty(t, p.APS.Alert.Title)
	require.NotEmpty(t, p.APS.ThreadID)
	require.NotEmpty(t, p.APS.InterruptionLevel)
}

func TestCut(t *testing.T) {
	t.Parallel()
	const family = "\U0001F468\u200d\U0001F469\u200d\U0001F467"
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "longe…"},
		{"über", 1, "…"},
		{"a " + family, 19, "a…"},
		{"a " + family + "b", 20, "a " + family + "…"},
		{"e\u0301x", 2, "…"},
		{"ok\U0001F44D\U0001F3FD", 6, "ok…"},
		{"x\U0001F1E9\U0001F1EA", 5, "x…"},
		{"שלום", 3, "ש…"},
		{"a  \n b", 4, "a…"},
	} {
		require.Equal(t, test.want, cut(test.text, test.n), fmt.Sprintf("%q", test.text))
	}
}

func FuzzRender(f *testing.F) {
	f.Add("server.stopped", "web-1", "Ledger", "https://paas.example.com/", []byte(`{"server":"srv-1","region":"eu-1"}`))
	f.Add("process.down", "\u202e\U0001F469\u200d\U0001F467", "שלום", "https://x/?<>&", []byte(`{"process_name":"\ud83d","server":{"name":"é"}}`))
	f.Add("stack.redeploy.fail", strings.Repeat("<", 300), strings.Repeat("\u2028", 300), "https://x/"+strings.Repeat("&", 150),
		[]byte(`{"environment":"`+strings.Repeat("<", 300)+`","git_branch":"`+strings.Repeat("&", 300)+`","cron":"`+strings.Repeat(">", 300)+`"}`))
	f.Add(strings.Repeat("\u200d<", 500), "", "", "::", []byte(`[`))
	f.Add("", "\xff\xfe", "\x00", "", []byte(nil))
	f.Fuzz(func(t *testing.T, kind, resource, stack, link string, data []byte) {
		e := schema.Event{ID: "1", Source: "/fuzz", Account: "acme", Type: kind, ResourceName: resource, StackName: stack, Link: link, Data: data}
		checkPayload(t, e, longestPayload)
		checkPayload(t, e, shorterPayload)
	})
}

func TestBackOnSaysHowLongItWasDown(t *testing.T) {
	t.Parallel()
	d := delivery("server.backon", "1")
	d.Since = d.Event.Time.Add(-134 * time.Minute)
	var p payload
	require.NoError(t, json.Unmarshal(render(d, longestPayload), &p))
	require.Equal(t, "Server web-1 is back", p.APS.Alert.Title)
	require.Equal(t, "Down for 2 h 14 min\nRegion: eu-1", p.APS.Alert.Body)
}

// What HTML would escape takes one byte of a push each, up to Apple's limit.
func TestPayloadIsNotEscapedForHTML(t *testing.T) {
	t.Parallel()
	apple, log := startAPNs(t, farend.APNsOptions{})
	d := delivery("job.fail", "1")
	d.Event.ResourceName = strings.Repeat("<&>", 20)
	d.Event.Link = "https://paas.example.com/?" + strings.Repeat("a=b&", 200)
	require.NoError(t, open(t, configFor(t, apple)).Send(t.Context(), d, target()))
	sent := received(log)[0]
	require.Contains(t, sent.Raw, "Job "+strings.Repeat("<&>", 20)+" failed")
	require.Contains(t, sent.Text, strings.Repeat("a=b&", 200))
	require.NotContains(t, sent.Raw, `\\u0026`)
}
