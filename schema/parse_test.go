package schema_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

const stackUID = "41d7a90c6be24f3fb8507d1e92c3fa66"

var stored = time.Date(2026, 3, 9, 14, 21, 8, 123456789, time.UTC)

func newValidator(t testing.TB) *schema.Validator {
	t.Helper()
	v, err := schema.NewValidator()
	require.NoError(t, err)
	return v
}

// structured is a message in structured mode. Each change sets a member of the
// envelope, or removes it if it is removed.
func structured(t testing.TB, changes map[string]any) schema.Message {
	t.Helper()
	envelope := map[string]any{
		"specversion": "1.0",
		"id":          "evt-1",
		"source":      "/deployer/1",
		"type":        "stack.redeploy.ok",
		"account":     "acme",
		"data":        map[string]any{"uid": stackUID, "name": "Ferry"},
	}
	for name, value := range changes {
		if envelope[name] = value; value == removed {
			delete(envelope, name)
		}
	}
	body, err := json.Marshal(envelope)
	require.NoError(t, err)
	return message(nil, string(body))
}

const removed = "\x00removed"

func message(h schema.Header, body string) schema.Message {
	return schema.Message{Subject: "tocsin.events.stack.redeploy.ok", Header: h, Body: []byte(body), Stored: stored}
}

// binary is a message in binary mode, with these headers besides the required ones.
func binary(more schema.Header) schema.Message {
	h := schema.Header{
		"ce-specversion": {"1.0"},
		"ce-id":          {"evt-1"},
		"ce-source":      {"/deployer/1"},
		"ce-type":        {"stack.redeploy.ok"},
		"ce-account":     {"acme"},
	}
	for name, values := range more {
		if h[name] = values; values == nil {
			delete(h, name)
		}
	}
	return message(h, `{"uid":"`+stackUID+`","name":"Ferry"}`)
}

func withBody(m schema.Message, body string) schema.Message {
	m.Body = []byte(body)
	return m
}

func withHeader(m schema.Message, h schema.Header) schema.Message {
	m.Header = h
	return m
}

func onSubject(m schema.Message, subject string) schema.Message {
	m.Subject = subject
	return m
}

func TestParseReadsBothContentModes(t *testing.T) {
	t.Parallel()
	want := schema.Event{
		ID: "evt-1", Source: "/deployer/1", Type: "stack.redeploy.ok", Account: "acme", User: "rosa",
		Subject: "stack/" + stackUID, Time: time.Date(2026, 3, 9, 13, 21, 7, 500_000_000, time.UTC),
		ResourceName: "Ferry & Söhne", StackName: "Ferry \"two\"", Link: "https://paas.example.com/a?b=50%25",
		Data: json.RawMessage(`{"uid": "` + stackUID + `",  "big": 9007199254740993, "name":"F\u0065rry"}`),
	}
	envelope := `{"specversion":"1.0","id":"evt-1","source":"/deployer/1","type":"stack.redeploy.ok","account":"acme",` +
		`"user":"rosa","subject":"stack/` + stackUID + `","time":"2026-03-09T14:21:07.5+01:00",` +
		`"resourcename":"Ferry & Söhne","stackname":"Ferry \"two\"","link":"https://paas.example.com/a?b=50%25",` +
		`"datacontenttype":"application/json; charset=utf-8","unknown":{"a":[1]},`
	body := envelope + `"data": ` + string(want.Data) + " }\n"
	inBase64 := envelope + `"data_base64":"` + base64.StdEncoding.EncodeToString(want.Data) + `"}`
	headers := schema.Header{
		"CE-SpecVersion":  {"1.0"},
		"Ce-Id":           {"evt%2D1"},
		"ce-source":       {"/deployer/1"},
		"ce-type":         {"stack.redeploy.ok"},
		"ce-account":      {"acme"},
		"ce-user":         {"rosa", "rosa"},
		"ce-subject":      {"stack/" + stackUID},
		"ce-time":         {"2026-03-09t13:21:07.5z"},
		"ce-resourcename": {"Ferry%20&%20S%C3%B6hne"},
		"ce-stackname":    {"Ferry%20%22two%22"},
		"ce-link":         {"https://paas.example.com/a?b=50%2525"},
		"ce-unknown":      {"%F0%9F%9A%A2"},
		"Nats-Msg-Id":     {"50%"},
		"Content-Type":    {"application/json"},
	}
	tests := map[string]schema.Message{
		"structured without headers":   message(nil, body),
		"structured with other header": message(schema.Header{"Nats-Msg-Id": {"50%"}}, body),
		"structured by content type":   message(schema.Header{"content-TYPE": {"Application/CloudEvents+JSON; charset=utf-8"}}, body),
		"structured by bare type":      message(schema.Header{"Content-Type": {"application/cloudevents"}}, body),
		"content type beats ce-":       message(schema.Header{"Content-Type": {"application/cloudevents+json"}, "ce-id": {"other"}}, body),
		"data in base64":               message(nil, inBase64),
		"binary":                       message(headers, "\r\n "+string(want.Data)+"\n"),
	}
	v := newValidator(t)
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v.Parse(m)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestParseTakesTheTimeOfStorageByDefault(t *testing.T) {
	t.Parallel()
	m := structured(t, nil)
	m.Stored = stored.In(time.FixedZone("", 3600))
	got, err := newValidator(t).Parse(m)
	require.NoError(t, err)
	require.Equal(t, stored, got.Time)
}

func TestParseToleratesWhatPayloadsVaryIn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ typeName, data string }{
		"nothing known":              {"stack.redeploy.ok", `{}`},
		"unknown fields":             {"stack.redeploy.ok", `{"considerations":{"warnings":[]},"a.b":{"name":1}}`},
		"nulls":                      {"stack.redeploy.ok", `{"uid":null,"name":null,"deploy_context":null,"redeploy_hook":null}`},
		"integers past 2^53":         {"stack.redeploy.ok", `{"account_id":123456789012345678901234567890,"status":1e400}`},
		"legacy dates":               {"stack.redeploy.ok", `{"created_at":"2014-08-14 00:38:14 UTC","updated_at":1751846400}`},
		"deployment without outcome": {"stack.deploy.started", `{"deploy_context":{"triggered_by":"ops@example.com"}}`},
		"agent with uid of server":   {"server.stopped", `{"uid":"a","server":"b"}`},
		"agent with server":          {"server.backon", `{"uid":"a","server":{"uid":"b","name":"c"}}`},
		"job with number":            {"job.fail", `{"status":3}`},
		"job with word":              {"job.backon", `{"status":"active","cron":null}`},
		"job with fraction":          {"job.fail", `{"status":3.5}`},
		"process with server uid":    {"process.down", `{"process_name":"web","server":"b"}`},
		"lone surrogate":             {"app.auth", `{"user":"\ud800","app":"x"}`},
	}
	v := newValidator(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := onSubject(structured(t, map[string]any{"type": test.typeName, "data": json.RawMessage(test.data)}),
				schema.EventSubject(test.typeName))
			got, err := v.Parse(m)
			require.NoError(t, err)
			require.Equal(t, test.data, string(got.Data))
		})
	}
}

func TestParseTreatsNullAsAbsent(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	got, err := v.Parse(structured(t, map[string]any{"user": nil, "time": nil, "link": nil, "data_base64": nil}))
	require.NoError(t, err)
	require.Empty(t, got.User)

	_, err = v.Parse(structured(t, map[string]any{"account": nil}))
	require.EqualError(t, err, "account: is missing")
}

func TestParseMeasuresBodiesAndLevelsExactly(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	nested := func(levels int) string {
		return `{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
	}
	long := func(size int) string { return `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}` }
	for _, body := range []string{nested(64), long(schema.MaxEventBytes), `{"a":"` + strings.Repeat(`[\"`, 100) + `"}`} {
		got, err := v.Parse(withBody(binary(nil), body))
		require.NoError(t, err)
		require.Equal(t, body, string(got.Data))
	}
	_, err := v.Parse(withBody(binary(nil), nested(65)))
	require.EqualError(t, err, "body: is nested deeper than 64 levels")
	_, err = v.Parse(withBody(binary(nil), long(schema.MaxEventBytes+1)))
	require.EqualError(t, err, "body: is longer than 262144 bytes")
}
