package channels_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/schema"
)

var moment = time.Date(2025, 7, 7, 0, 0, 5, 0, time.UTC)

const redeployed = `{"uid":"0f6a1c5d","name":"Ledger","git":"https://deploy:hunter2@git.example.com/ledger.git",
	"git_branch":"main","environment":"production","framework":"docker","status":2,"health":3,
	"redeploy_hook":"https://hooks.example.net/secret-capability",
	"deploy_context":{"triggered_by":"ops@example.com","outcome":"failed","started_at":"2025-07-06T23:58:00Z","finished_at":"2025-07-07 00:00:00 UTC"}}`

func TestDescribeTitles(t *testing.T) {
	t.Parallel()
	agent := schema.Event{ResourceName: "web-1", StackName: "Ledger"}
	for _, test := range []struct {
		kind  string
		event schema.Event
		data  string
		want  string
	}{
		{"stack.provision.ok", schema.Event{}, redeployed, "Provisioning of Ledger succeeded"},
		{"stack.provision.fail", schema.Event{}, redeployed, "Provisioning of Ledger failed"},
		{"stack.redeploy.ok", schema.Event{}, redeployed, "Redeploy of Ledger succeeded"},
		{"stack.redeploy.fail", schema.Event{}, redeployed, "Redeploy of Ledger failed"},
		{"stack.redeploy.hook.fail", schema.Event{}, redeployed, "Redeployment hook of Ledger failed"},
		{"stack.deploy.started", schema.Event{}, redeployed, "Deployment of Ledger started"},
		{"server.stopped", agent, `{"uid":"agent-1","server":"srv-1","status":1}`, "Server web-1 stopped sending heartbeats"},
		{"server.backon", agent, `{"uid":"agent-1","server":"srv-1","status":1}`, "Server web-1 is back"},
		{"server.backon", schema.Event{}, `{"uid":"agent-1","server":"srv-1"}`, "Server srv-1 is back"},
		{"server.backon", schema.Event{}, `{"server":{"name":"web-2","uid":"srv-2"}}`, "Server web-2 is back"},
		{"server.stopped", schema.Event{Subject: "server/srv-9"}, `{}`, "Server srv-9 stopped sending heartbeats"},
		{"job.fail", schema.Event{}, `{"uid":"7c0d","name":"nightly-export"}`, "Job nightly-export failed"},
		{"job.backon", schema.Event{}, `{"uid":"7c0d","name":"nightly-export"}`, "Job nightly-export succeeded again"},
		{"job.fail", schema.Event{}, `{"uid":"7c0d"}`, "Job 7c0d failed"},
		{"process.down", schema.Event{}, `{"process_name":"sidekiq","server":{"name":"web-1","uid":"x"}}`, "Process sidekiq is down on web-1"},
		{"process.down", schema.Event{}, `{"process_name":"sidekiq"}`, "Process sidekiq is down"},
		{"app.auth", schema.Event{ResourceName: "Release board"}, `{"user":"ada@example.com","app":"af01"}`, "App Release board was authorized by ada@example.com"},
		{"app.deauth", schema.Event{}, `{"user":"ada@example.com","app":"af01"}`, "App af01 was deauthorized by ada@example.com"},

		{"stack.redeploy.fail", schema.Event{}, `not JSON`, "Redeploy of a stack failed"},
		{"stack.redeploy.fail", schema.Event{}, `{"name":{"first":"Led"},"uid":["x"]}`, "Redeploy of a stack failed"},
		{"server.backon", schema.Event{}, ``, "Server is back"},
		{"process.down", schema.Event{}, `[]`, "Process is down"},
		{"backup.failed", schema.Event{}, `{"name":"nightly"}`, "backup.failed: nightly"},
		{schema.ChannelOff, schema.Event{}, `{"channel":"iOS","name":"Ada's phone"}`, "iOS was switched off for Ada's phone"},
		{schema.ChannelFailing, schema.Event{}, `{"channel":"Webhook"}`, "Webhook keeps failing and will be switched off"},
		{"", schema.Event{}, `null`, "Event"},
		{"job.fail", schema.Event{}, `{"name":" \n\t ","uid":42}`, "Job 42 failed"},
	} {
		event := test.event
		event.Type, event.Data = test.kind, json.RawMessage(test.data)
		require.Equal(t, test.want, channels.Describe(event).Title, "%s of %s", test.kind, test.data)
	}
}

func TestDescribeFacts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, data string
		want       map[string]string
	}{
		{"stack.redeploy.fail", redeployed, map[string]string{
			"Environment": "production", "Branch": "main", "Triggered by": "ops@example.com",
			"Finished": "7 Jul 2025, 00:00:00 UTC", "Took": "2 min",
		}},
		{"stack.redeploy.ok", `{"name":"Ledger","health":2}`, map[string]string{
			"Health": "Impaired", "When": "7 Jul 2025, 00:00:05 UTC",
		}},
		{"stack.provision.fail", `{"name":"Ledger","status":2,"health":4}`, map[string]string{
			"When": "7 Jul 2025, 00:00:05 UTC",
		}},
		{"stack.redeploy.hook.fail", `{"name":"Ledger","status":1,"health":3}`, map[string]string{
			"When": "7 Jul 2025, 00:00:05 UTC",
		}},
		{"stack.deploy.started", `{"name":"Ledger","status":6,"deploy_context":{"started_at":"2025-07-07T00:00:00Z"}}`, map[string]string{
			"Started": "7 Jul 2025, 00:00:00 UTC",
		}},
		{"stack.redeploy.ok", `{"name":"Ledger","deploy_context":{"started_at":"2025-07-07T00:00:00Z","finished_at":"2025-07-06T00:00:00Z"}}`, map[string]string{
			"Finished": "6 Jul 2025, 00:00:00 UTC",
		}},
		{"job.fail", `{"name":"nightly","cron":"0 2 * * *","status":3,"stack_name":"Ledger","params":{"command":"/bin/export --password=hunter2"}}`, map[string]string{
			"Stack": "Ledger", "Schedule": "0 2 * * *", "When": "7 Jul 2025, 00:00:05 UTC",
		}},
		{"process.down", `{"process_name":"sidekiq","server":{"name":"web-1"},"status":1}`, map[string]string{
			"When": "7 Jul 2025, 00:00:05 UTC",
		}},
		{"server.stopped", `{"status":1,"server":"srv-1","ext_ipv4":"203.0.113.7","region":"eu-1","health_state":4,"ssh_private_key":"PEM"}`, map[string]string{
			"Address": "203.0.113.7", "Region": "eu-1", "When": "7 Jul 2025, 00:00:05 UTC",
		}},
		{"backup.failed", `{"name":"nightly","environment":"production","git_branch":"main"}`, map[string]string{
			"Environment": "production", "Branch": "main", "When": "7 Jul 2025, 00:00:05 UTC",
		}},
		{schema.ChannelFailing, `{"channel":"Webhook","reason":"no answer","since":"2025-07-06T00:00:00Z","off":"2025-07-11T00:00:00Z"}`, map[string]string{
			"Reason": "no answer", "Failing since": "6 Jul 2025, 00:00:00 UTC", "Will be switched off": "11 Jul 2025, 00:00:00 UTC",
		}},
		{schema.ChannelOff, `{"channel":"Webhook","reason":"it answers 410"}`, map[string]string{
			"Reason": "it answers 410", "When": "7 Jul 2025, 00:00:05 UTC",
		}},
	} {
		got := map[string]string{}
		for _, fact := range channels.Describe(schema.Event{Type: test.kind, Time: moment, Data: json.RawMessage(test.data)}).Facts {
			got[fact.Label] = fact.Value
		}
		require.Equal(t, test.want, got, "%s of %s", test.kind, test.data)
	}
}

func TestFactInOtherPlace(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("JST", 9*60*60)
	saoPaulo, err := time.LoadLocation("America/Sao_Paulo") // has no letters
	require.NoError(t, err)
	require.Equal(t, "6 Jul 2025, 21:00:05 UTC-03:00", channels.Fact{Value: "in UTC", Time: moment}.In(saoPaulo))
	require.Equal(t, "7 Jul 2025, 09:00:05 JST", channels.Fact{Label: "Time", Value: "in UTC", Time: moment}.In(tokyo))
	require.Equal(t, "main", channels.Fact{Label: "Branch", Value: "main"}.In(tokyo))
}

func TestDescribeLink(t *testing.T) {
	t.Parallel()
	for published, want := range map[string]string{
		"https://paas.example.com/stacks/1?a=b&c=d#x":            "https://paas.example.com/stacks/1?a=b&c=d#x",
		"http://paas.example.com":                                "http://paas.example.com",
		"https://ada:secret@paas.example.com/":                   "",
		"https://ada@paas.example.com/":                          "",
		"javascript:alert(1)":                                    "",
		"/stacks/1":                                              "",
		"//paas.example.com/x":                                   "",
		"https:///nowhere":                                       "",
		"ftp://paas.example.com/":                                "",
		"https://paas.example.com/\r\nBcc: x@example.com":        "",
		"https://paas.example.com/?q=\u202egnp.exe":              "",
		"https://paas.example.com/?" + strings.Repeat("x", 2000): "",
		"": "",
	} {
		require.Equal(t, want, channels.Describe(schema.Event{Link: published}).Link, "%q", published)
	}
}

func TestDescribeThreads(t *testing.T) {
	t.Parallel()
	stopped := channels.Describe(schema.Event{Type: "server.stopped", StackName: "Ledger", Data: json.RawMessage(`{"uid":"a","server":"srv-1"}`)})
	back := channels.Describe(schema.Event{Type: "server.backon", StackName: "Ledger", Data: json.RawMessage(`{"uid":"a","server":"srv-1"}`)})
	deploy := channels.Describe(schema.Event{Type: "stack.redeploy.ok", Data: json.RawMessage(`{"uid":"b","name":"Ledger"}`)})
	require.Equal(t, stopped.Thread, back.Thread)
	require.NotEqual(t, stopped.Thread, deploy.Thread)
	require.Equal(t, stopped.StackThread, deploy.StackThread)
	require.Equal(t, "Ledger", back.Stack)
	require.Equal(t, schema.Good, back.Outcome)
	require.Equal(t, schema.Bad, stopped.Outcome)
}

func TestDescribeIncidents(t *testing.T) {
	t.Parallel()
	of := func(kind, data string) string {
		return channels.Describe(schema.Event{Type: kind, Data: json.RawMessage(data)}).Incident
	}
	started := of("stack.deploy.started", `{"uid":"a","deploy_context":{"started_at":"2025-07-07T00:00:00Z"}}`)
	ended := of("stack.redeploy.ok", `{"uid":"a","deploy_context":{"started_at":"2025-07-07 00:00:00 UTC","finished_at":"2025-07-07T00:03:00Z"}}`)
	next := of("stack.deploy.started", `{"uid":"a","deploy_context":{"started_at":"2025-07-08T00:00:00Z"}}`)
	require.Equal(t, started, ended, "one deployment")
	require.NotEqual(t, started, next, "two deployments")
	require.Equal(t, of("server.stopped", `{"server":"s"}`), of("server.backon", `{"server":"s"}`), "an outage and its end")
}

func TestDescribeSpans(t *testing.T) {
	t.Parallel()
	for finished, want := range map[string]string{
		"2025-07-07T00:00:00Z": "0 s", "2025-07-07T00:00:45.6Z": "46 s", "2025-07-07T00:03:34Z": "3 min 34 s",
		"2025-07-07T02:05:09Z": "2 h 5 min", "2025-07-09T03:00:00Z": "2 d 3 h",
	} {
		facts := channels.Describe(schema.Event{Type: "stack.redeploy.ok", Data: json.RawMessage(
			`{"deploy_context":{"started_at":"2025-07-07T00:00:00Z","finished_at":"` + finished + `"}}`)}).Facts
		require.Contains(t, facts, channels.Fact{Label: "Took", Value: want})
	}
}

// Whoever names a stack or a job must not be able to break out of a line, turn
// the text around or fill a screen.
func TestDescribeCleansNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a\r\nBcc: x":              "a Bcc: x",
		"a\u202eb\u2066c\u200fd":   "abcd",
		"a\x00\x1b[31mb":           "a [31mb",
		"a\u2028b":                 "a b",
		"a\ufeffb\u00adc":          "abc",
		"\xff\xfeok":               "\uFFFDok",
		"می\u200cخواهم":            "می\u200cخواهم",
		strings.Repeat("ü", 1_000): strings.Repeat("ü", 199) + "…",
	} {
		got := channels.Describe(schema.Event{Type: "job.fail", ResourceName: name}).Resource
		require.Equal(t, want, got, "%q", name)
	}
	long := channels.Describe(schema.Event{Type: "job.fail", ResourceName: strings.Repeat("x", 1_000)})
	require.True(t, strings.HasSuffix(long.Title, "… failed"), long.Title)
}

func FuzzDescribe(f *testing.F) {
	f.Add("stack.redeploy.fail", []byte(redeployed), "Ledger", "https://paas.example.com/")
	f.Add("process.down", []byte(`{"server":"x","process_name":{}}`), "\u202e", "://")
	f.Add("", []byte(`{"status":1e999}`), "\xff", "")
	f.Fuzz(func(t *testing.T, kind string, data []byte, name, link string) {
		n := channels.Describe(schema.Event{Type: kind, Data: data, ResourceName: name, StackName: name, Link: link})
		require.NotEmpty(t, n.Title)
		texts := []string{n.Title, n.Resource, n.Stack}
		for _, fact := range n.Facts {
			require.NotEmpty(t, fact.Value)
			texts = append(texts, fact.Value)
		}
		for _, text := range texts {
			require.True(t, utf8.ValidString(text))
			require.LessOrEqual(t, utf8.RuneCountInString(text), 200)
			require.False(t, strings.ContainsFunc(text, unicode.IsControl), "%q", text)
		}
	})
}

func TestDescribeTellsNoSecrets(t *testing.T) {
	t.Parallel()
	for _, kind := range schema.Types() {
		told, err := json.Marshal(channels.Describe(schema.Event{Type: kind.Name, Data: json.RawMessage(
			`{"name":"n","git":"https://u:SECRET@h/","redeploy_hook":"https://h/SECRET","ssh_private_key":"SECRET",
			"server_registration_script":"SECRET","params":{"command":"SECRET"},"stack":{"redeploy_hook":"SECRET"},
			"server":{"ssh_private_key":"SECRET","name":"s"}}`)}))
		require.NoError(t, err)
		require.NotContains(t, string(told), "SECRET")
	}
}

func TestDescribeDeliverySaysHowLongItWasDown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind string
		down time.Duration
		want []string
	}{
		{"server.backon", 2*time.Hour + 14*time.Minute + 3*time.Second, []string{"Down for 2 h 14 min", "When: 7 Jul 2025, 00:00:05 UTC"}},
		{"job.backon", 31 * 24 * time.Hour, []string{"Failed for 31 d", "When: 7 Jul 2025, 00:00:05 UTC"}},
		{"server.backon", 300 * time.Millisecond, []string{"When: 7 Jul 2025, 00:00:05 UTC"}},
		{"server.backon", -time.Hour, []string{"When: 7 Jul 2025, 00:00:05 UTC"}},
	} {
		d := schema.Delivery{Event: schema.Event{Type: test.kind, Time: moment}, Since: moment.Add(-test.down)}
		var got []string
		for _, fact := range channels.DescribeDelivery(d).Facts {
			got = append(got, fact.Line(time.UTC))
		}
		require.Equal(t, test.want, got)
		d.Since = time.Time{}
		require.Equal(t, channels.Describe(d.Event), channels.DescribeDelivery(d), "nobody remembers")
	}
}

func BenchmarkRender(b *testing.B) {
	e := schema.Event{Type: "stack.redeploy.ok", Time: moment, Data: json.RawMessage(redeployed)}
	b.Run("notice", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			channels.Describe(e)
		}
	})
	b.Run("line", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			channels.Line(e)
		}
	})
}
