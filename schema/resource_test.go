package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

func TestResourceNamesWhatTheEventIsAbout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ typeName, subject, data, want string }{
		"subject":              {"stack.redeploy.ok", "stack/1", `{"uid":"2"}`, "stack/1"},
		"stack":                {"stack.redeploy.ok", "", `{"uid":"2"}`, "stack/2"},
		"agent":                {"server.stopped", "", `{"uid":"agent","server":"3"}`, "server/3"},
		"agent with object":    {"server.backon", "", `{"uid":"agent","server":{"uid":"3"}}`, "server/3"},
		"server itself":        {"server.backon", "", `{"uid":"3","name":"lynx"}`, "server/3"},
		"job":                  {"job.fail", "", `{"uid":"4","status":3}`, "job/4"},
		"process":              {"process.down", "", `{"process_name":"web","server":{"uid":"3"}}`, "process/3/web"},
		"process of no server": {"process.down", "", `{"process_name":"web"}`, "process/web"},
		"server of no process": {"process.down", "", `{"server":{"uid":"3"}}`, "event//src/evt"},
		"app":                  {"app.auth", "", `{"app":"5","user":"rosa@example.com"}`, "app/5"},
		"uid as a number":      {"stack.redeploy.ok", "", `{"uid":2}`, "event//src/evt"},
		"null":                 {"job.fail", "", `{"uid":null}`, "event//src/evt"},
		"other case":           {"job.fail", "", `{"UID":"4"}`, "event//src/evt"},
		"no object":            {"job.fail", "", `[]`, "event//src/evt"},
		"no data":              {"job.fail", "", ``, "event//src/evt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := schema.Event{ID: "evt", Source: "/src", Type: test.typeName, Subject: test.subject, Data: json.RawMessage(test.data)}
			require.Equal(t, test.want, e.Resource())
		})
	}
}

func TestEventsThatAnswerEachOtherShareTheResource(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"server.stopped", "server.backon"},
		{"job.fail", "job.backon"},
		{"app.auth", "app.deauth"},
		{"stack.deploy.started", "stack.redeploy.fail"},
	} {
		failure, recovery := sample(t, pair[0]), sample(t, pair[1])
		require.Equal(t, failure.Subject, recovery.Subject)
		failure.Subject = ""
		require.Equal(t, recovery.Resource(), failure.Resource(), "with and without subject")
	}
}
