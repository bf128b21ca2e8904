package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

// fuzzHeader makes headers of lines such as "ce-id: a".
func fuzzHeader(lines string) schema.Header {
	h := schema.Header{}
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		h[name] = append(h[name], value)
	}
	return h
}

func FuzzParse(f *testing.F) {
	for _, typeName := range typeNames() {
		e := sample(f, typeName)
		body, err := e.Structured()
		require.NoError(f, err)
		f.Add(schema.EventSubject(typeName), "", body)
		var lines strings.Builder
		for name, values := range e.Header() {
			lines.WriteString(name + ": " + values[0] + "\n")
		}
		f.Add(schema.EventSubject(typeName), lines.String(), []byte(e.Data))
	}
	const subject = "tocsin.events.job.fail"
	f.Add("tocsin.events.>", "", []byte(`{}`))
	f.Add(subject, "Content-Type: application/cloudevents-batch+json", []byte(`[]`))
	f.Add(subject, "ce-id: a\nCE-ID: b", []byte(`{}`))
	f.Add(subject, "ce-id: %zz", []byte(`{}`))
	f.Add(subject, "", []byte(`{"type":"job.fail","t\u0079pe":"job.fail"}`))
	f.Add(subject, "", []byte(`{"data_base64":"e30=","data":null}`))
	f.Add(subject, "", bytes.Repeat([]byte(`{"":[`), 300))
	f.Add(subject, "", []byte("{\"a\":\"\\ud800\xff\"}"))

	v := newValidator(f)
	f.Fuzz(func(t *testing.T, subject, headers string, body []byte) {
		h := fuzzHeader(headers)
		e, err := v.Parse(schema.Message{Subject: subject, Header: h, Body: body, Stored: stored})
		if err != nil {
			requireReason(t, err)
			return
		}
		requireEvent(t, e, subject)
		requirePublishedBytes(t, e, body)
		again, err := schema.ReadEvent(e.Header(), e.Data)
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

func requireReason(t *testing.T, err error) {
	invalid, ok := errors.AsType[*schema.Invalid](err)
	require.True(t, ok)
	_, known := schema.TypeNamed(invalid.Type)
	require.True(t, known || invalid.Type == schema.UnknownType)
	require.NotEmpty(t, invalid.Reason)
	require.LessOrEqual(t, len(invalid.Reason), 300)
	require.False(t, strings.ContainsFunc(invalid.Reason, func(r rune) bool { return !unicode.IsPrint(r) }))
}

func requireEvent(t *testing.T, e schema.Event, subject string) {
	require.True(t, schema.ValidID(e.Account))
	require.True(t, e.User == "" || schema.ValidID(e.User))
	require.NotEmpty(t, e.ID)
	require.NotEmpty(t, e.Source)
	require.Equal(t, subject, schema.EventSubject(e.Type))
	require.NotEmpty(t, e.Resource())
	require.True(t, json.Valid(e.Data))
	require.Equal(t, "{}", string(e.Data[:1])+string(e.Data[len(e.Data)-1:]))
}

// requirePublishedBytes checks that the data stands in the body as it is, or
// was there in base64.
func requirePublishedBytes(t *testing.T, e schema.Event, body []byte) {
	require.True(t, json.Valid(body))
	if bytes.Contains(body, e.Data) {
		return
	}
	var envelope struct {
		Data []byte `json:"data_base64"`
	}
	require.NoError(t, json.Unmarshal(body, &envelope))
	require.Equal(t, bytes.TrimSpace(envelope.Data), []byte(e.Data))
}
