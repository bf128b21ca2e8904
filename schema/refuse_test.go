package schema_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

type refusal struct {
	message schema.Message
	reason  string
}

func requireRefusals(t *testing.T, tests map[string]refusal) {
	t.Helper()
	v := newValidator(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v.Parse(test.message)
			require.EqualError(t, err, test.reason)
			invalid, ok := errors.AsType[*schema.Invalid](err)
			require.True(t, ok)
			require.Equal(t, "stack.redeploy.ok", invalid.Type)
			require.Zero(t, got)
		})
	}
}

func TestParseRefusesBodies(t *testing.T) {
	t.Parallel()
	good := string(structured(t, nil).Body)
	requireRefusals(t, map[string]refusal{
		"empty":                 {message(nil, ""), "body: is empty"},
		"empty binary":          {withBody(binary(nil), ""), "body: is empty"},
		"not UTF-8":             {message(nil, strings.Replace(good, "Ferry", "F\xffrry", 1)), "body: is not UTF-8"},
		"not JSON":              {message(nil, "hello"), "body: is not JSON at byte 1"},
		"binary not JSON":       {withBody(binary(nil), "hello"), "body: is not JSON at byte 1"},
		"byte order mark":       {message(nil, "\ufeff"+good), "body: is not JSON at byte 1"},
		"cut off":               {message(nil, good[:len(good)-1]), "body: ends before its JSON value does"},
		"cut off in a name":     {message(nil, `{"id`), "body: ends before its JSON value does"},
		"cut off in data":       {message(nil, `{"data":{"a":`), "body: ends before its JSON value does"},
		"binary cut off":        {withBody(binary(nil), `{"a":1`), "body: ends before its JSON value does"},
		"comma before the end":  {message(nil, `{"id":"a",}`), "body: is not JSON at byte 11"},
		"name without quotes":   {message(nil, `{id:"a"}`), "body: is not JSON at byte 2"},
		"trailing garbage":      {message(nil, good+"{}"), "body: goes on after the JSON value, which ends at byte 166"},
		"trailing bracket":      {message(nil, good+"}"), "body: goes on after the JSON value, which ends at byte 166"},
		"binary with two":       {withBody(binary(nil), "{} {}"), "body: goes on after the JSON value, which ends at byte 2"},
		"no object":             {message(nil, `["a"]`), "body: must be a JSON object"},
		"null":                  {message(nil, `null`), "body: must be a JSON object"},
		"a bomb of brackets":    {message(nil, strings.Repeat("[", 200_000)), "body: is nested deeper than 64 levels"},
		"a bomb of objects":     {withBody(binary(nil), strings.Repeat(`{"a":`, 50_000)), "body: is nested deeper than 64 levels"},
		"a bomb after a string": {message(nil, `{"\"\\":`+strings.Repeat("[", 200_000)), "body: is nested deeper than 64 levels"},
		"too long":              {message(nil, good+strings.Repeat(" ", schema.MaxEventBytes)), "body: is longer than 262144 bytes"},
	})
}

func TestParseRefusesAttributes(t *testing.T) {
	t.Parallel()
	with := func(name string, value any) schema.Message { return structured(t, map[string]any{name: value}) }
	const text, identifier = "text without control characters", "1 to 64 letters, digits, hyphens or underscores"
	requireRefusals(t, map[string]refusal{
		"no id":                    {with("id", removed), "id: is missing"},
		"no source":                {with("source", removed), "source: is missing"},
		"no specversion":           {with("specversion", removed), "specversion: is missing"},
		"no type":                  {with("type", removed), "type: is missing"},
		"no account":               {with("account", removed), "account: is missing"},
		"no data":                  {with("data", removed), "data: is missing"},
		"empty id":                 {with("id", ""), "id: has 0 of at least 1 characters"},
		"old specversion":          {with("specversion", "0.3"), "specversion: must be 1.0"},
		"specversion as a number":  {with("specversion", 1.0), "specversion: must be 1.0"},
		"other type":               {with("type", "stack.redeploy.fail"), "type: differs from the type in the subject"},
		"type of no kind":          {with("type", "a\nb"), "type: must be " + text},
		"id as a number":           {with("id", 7), "id: must be of type string, is of type number"},
		"newline in id":            {with("id", "a\nb"), "id: must be " + text},
		"control in source":        {with("source", "a\u0085b"), "source: must be " + text},
		"delete in resourcename":   {with("resourcename", "a\x7f"), "resourcename: must be " + text},
		"long id":                  {with("id", strings.Repeat("é", 513)), "id: is longer than 512 characters"},
		"long source":              {with("source", strings.Repeat("a", 513)), "source: is longer than 512 characters"},
		"long subject":             {with("subject", strings.Repeat("a", 257)), "subject: is longer than 256 characters"},
		"long resourcename":        {with("resourcename", strings.Repeat("a", 257)), "resourcename: is longer than 256 characters"},
		"long stackname":           {with("stackname", strings.Repeat("a", 257)), "stackname: is longer than 256 characters"},
		"long link":                {with("link", strings.Repeat("a", 2049)), "link: is longer than 2048 characters"},
		"account with dot":         {with("account", "a.b"), "account: must be " + identifier},
		"account with wildcard":    {with("account", ">"), "account: must be " + identifier},
		"account with newline":     {with("account", "acme\n"), "account: must be " + identifier},
		"account too long":         {with("account", strings.Repeat("a", 65)), "account: must be " + identifier},
		"empty account":            {with("account", ""), "account: must be " + identifier},
		"user with brace":          {with("user", "{rosa}"), "user: must be " + identifier},
		"empty user":               {with("user", ""), "user: must be " + identifier},
		"user as a list":           {with("user", []string{"rosa"}), "user: must be of type string, is of type array"},
		"time as a number":         {with("time", 1751846400), "time: must be of type string, is of type number"},
		"time without zone":        {with("time", "2026-03-09T14:21:07"), "time: must be a date-time"},
		"legacy time":              {with("time", "2026-03-09 14:21:07 UTC"), "time: must be a date-time"},
		"empty time":               {with("time", ""), "time: must be a date-time"},
		"leap second":              {with("time", "2016-12-31T23:59:60Z"), "time: must be a date and time of RFC 3339"},
		"time past the last year":  {with("time", "9999-12-31T23:59:59-01:00"), "time: must lie in the years 0 to 9999 of UTC"},
		"data in another form":     {with("datacontenttype", "text/xml"), "datacontenttype: must be a JSON media type"},
		"the first of many faults": {structured(t, map[string]any{"id": 1, "account": "a.b", "source": removed}), "account: must be " + identifier},
	})
}

func TestParseRefusesRepeatedMembers(t *testing.T) {
	t.Parallel()
	repeat := func(member string) schema.Message {
		return message(nil, strings.Replace(string(structured(t, nil).Body), "{", "{"+member+",", 1))
	}
	tests := map[string]refusal{
		"escaped": {repeat(`"acc\u006funt":"other"`), "account: appears more than once"},
		"null":    {repeat(`"account":null`), "account: appears more than once"},
		"foreign": {repeat(`"Some Name":1,"Some Name":1`), "an attribute: appears more than once"},
		"data":    {repeat(`"data":{}`), "data: appears more than once"},
	}
	for _, name := range []string{"type", "account", "id", "source", "specversion"} {
		tests[name] = refusal{repeat(`"` + name + `":"other"`), name + ": appears more than once"}
	}
	tests["user"] = refusal{repeat(`"user":"a","user":"b"`), "user: appears more than once"}
	requireRefusals(t, tests)
}

func TestParseRefusesData(t *testing.T) {
	t.Parallel()
	with := func(data any) schema.Message { return structured(t, map[string]any{"data": data}) }
	encoded := func(data string) schema.Message {
		return structured(t, map[string]any{"data": removed, "data_base64": base64.StdEncoding.EncodeToString([]byte(data))})
	}
	requireRefusals(t, map[string]refusal{
		"list":                  {with([]string{"a"}), "data: must be of type object, is of type array"},
		"JSON in a string":      {with(`{"uid":"a"}`), "data: must be of type object, is of type string"},
		"null":                  {with(nil), "data: is missing"},
		"binary list":           {withBody(binary(nil), `[]`), "data: must be of type object, is of type array"},
		"binary null":           {withBody(binary(nil), `null`), "data: must be of type object, is of type null"},
		"name as a number":      {with(map[string]any{"name": 7}), "data.name: must be of type null or string, is of type number"},
		"uid as an object":      {with(map[string]any{"uid": map[string]any{}}), "data.uid: must be of type null or string, is of type object"},
		"deploy_context":        {with(map[string]any{"deploy_context": "done"}), "data.deploy_context: must be of type null or object, is of type string"},
		"outcome":               {with(map[string]any{"deploy_context": map[string]any{"outcome": true}}), "data.deploy_context.outcome: must be of type null or string, is of type boolean"},
		"data and base64":       {structured(t, map[string]any{"data_base64": "e30="}), "data_base64: stands beside data; only one of them may be given"},
		"base64 as a number":    {structured(t, map[string]any{"data": removed, "data_base64": 7}), "data_base64: must be a string"},
		"no base64":             {structured(t, map[string]any{"data": removed, "data_base64": "{}"}), "data_base64: is not base64"},
		"base64 of nothing":     {encoded(""), "data_base64: is empty"},
		"base64 of a bomb":      {encoded(strings.Repeat("[", 1000)), "data_base64: is nested deeper than 64 levels"},
		"base64 of bad UTF-8":   {encoded("{\"a\":\"\xff\"}"), "data_base64: is not UTF-8"},
		"base64 of no JSON":     {encoded("hello"), "data_base64: is not JSON at byte 1"},
		"base64 of two objects": {encoded("{}{}"), "data_base64: goes on after the JSON value, which ends at byte 2"},
	})
}

func TestParseRefusesHeaders(t *testing.T) {
	t.Parallel()
	contentType := func(values ...string) schema.Message {
		return withHeader(structured(t, nil), schema.Header{"Content-Type": values})
	}
	requireRefusals(t, map[string]refusal{
		"batch":                    {contentType("application/cloudevents-batch+json"), "Content-Type: batches are not read; publish each event as a message of its own"},
		"other format":             {contentType("application/cloudevents+avro"), "Content-Type: only the JSON format of CloudEvents is read"},
		"two content types":        {contentType("application/cloudevents", "text/plain"), "Content-Type: appears more than once, with different values"},
		"no id":                    {binary(schema.Header{"ce-id": nil}), "id: is missing"},
		"id without values":        {binary(schema.Header{"ce-id": {}}), "id: is missing"},
		"two ids":                  {binary(schema.Header{"ce-id": {"a", "b"}}), "id: appears more than once, with different values"},
		"two spellings":            {binary(schema.Header{"Ce-Account": {"other"}}), "account: appears more than once, with different values"},
		"two of a foreign name":    {binary(schema.Header{"ce-no such name": {"a", "b"}}), "an attribute: appears more than once, with different values"},
		"broken encoding":          {binary(schema.Header{"ce-subject": {"50%"}}), "subject: is not percent-encoded UTF-8"},
		"bad UTF-8":                {binary(schema.Header{"ce-subject": {"%ff"}}), "subject: is not percent-encoded UTF-8"},
		"newline":                  {binary(schema.Header{"ce-id": {"a%0Ab"}}), "id: must be text without control characters"},
		"no JSON":                  {binary(schema.Header{"ce-datacontenttype": {"text/plain"}}), "datacontenttype: must be a JSON media type"},
		"other type":               {binary(schema.Header{"ce-type": {"job.fail"}}), "type: differs from the type in the subject"},
		"envelope in binary mode":  {withHeader(structured(t, nil), schema.Header{"ce-id": {"evt-1"}}), "specversion: is missing"},
		"data in a header as well": {binary(schema.Header{"ce-data": {"{}"}, "ce-type": nil}), "type: is missing"},
	})
}

func TestParseTellsTheTypeOfTheSubject(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	for subject, want := range map[string]schema.Invalid{
		"tocsin.events.job.fail":        {Type: "job.fail", Reason: "type: differs from the type in the subject"},
		"tocsin.events.container.down":  {Type: schema.UnknownType, Reason: "subject: names no event type that exists"},
		"tocsin.events.unknown":         {Type: schema.UnknownType, Reason: "subject: names no event type that exists"},
		"tocsin.events.":                {Type: schema.UnknownType, Reason: "subject: names no event type that exists"},
		"stack.redeploy.ok":             {Type: schema.UnknownType, Reason: "subject: names no event type that exists"},
		"tocsin.dead.stack.redeploy.ok": {Type: schema.UnknownType, Reason: "subject: names no event type that exists"},
	} {
		_, err := v.Parse(onSubject(structured(t, nil), subject))
		require.Equal(t, &want, err, subject)
	}
}

// A number such as 1e1000000 takes milliseconds to expand, and a body has room
// for tens of thousands of them.
func TestParseDoesNotExpandNumbers(t *testing.T) {
	t.Parallel()
	const number = "1e1000000"
	list := strings.TrimSuffix(strings.Repeat(number+",", 20_000), ",")
	v := newValidator(t)
	for _, typeName := range typeNames() {
		data := `{"uid":"a","status":` + number + `,"health":` + number + `,"numbers":[` + list + `]}`
		m := structured(t, map[string]any{"type": typeName, "data": json.RawMessage(data)})
		m.Subject = schema.EventSubject(typeName)
		got, err := v.Parse(m)
		require.NoError(t, err)
		require.Len(t, got.Data, len(data))
	}
}
