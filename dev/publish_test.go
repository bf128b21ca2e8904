package dev_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/dev"
	"tocsin/farend"
	"tocsin/schema"
)

func post(t *testing.T, path string, header map[string]string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost:8025"+path, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

func TestPublish(t *testing.T) {
	t.Parallel()
	for _, kind := range schema.Types() {
		var done published
		answer := ask(dev.NewPage(new(farend.Log), done.publish, about),
			post(t, "/publish/"+kind.Name, map[string]string{"Accept": "application/json"}))
		require.Equal(t, http.StatusOK, answer.Code)
		require.JSONEq(t, `{"published":["`+kind.Name+`"]}`, answer.Body.String())
		require.Equal(t, []string{kind.Name}, done.types)
	}
}

func TestPublishAll(t *testing.T) {
	t.Parallel()
	var done published
	answer := ask(dev.NewPage(new(farend.Log), done.publish, about), post(t, "/publish", nil))
	var said struct{ Published []string }
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &said))
	require.Len(t, said.Published, len(schema.Types()))
	require.Equal(t, done.types, said.Published)
}

func TestPublishByFormGoesBackToThePage(t *testing.T) {
	t.Parallel()
	page := newPage(new(farend.Log))
	for path, notice := range map[string]string{
		"/publish/job.fail": "Published job.fail.",
		"/publish":          "Published one event of each type.",
	} {
		answer := ask(page, post(t, path, map[string]string{"Accept": "text/html,*/*", "Sec-Fetch-Site": "same-origin"}))
		require.Equal(t, http.StatusSeeOther, answer.Code)
		require.Contains(t, get(t, page, answer.Header().Get("Location")).Body.String(), notice)
	}
	require.NotContains(t, get(t, page, "/?published=%3Cb%3E").Body.String(), "Published")
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request *http.Request
		status  int
		says    string
	}{
		"unknown type":  {post(t, "/publish/stack.exploded", nil), http.StatusNotFound, "There is no event type of this name."},
		"another site":  {post(t, "/publish/job.fail", map[string]string{"Sec-Fetch-Site": "cross-site"}), http.StatusForbidden, "Another site may not publish here."},
		"another port":  {post(t, "/publish/job.fail", map[string]string{"Sec-Fetch-Site": "same-site"}), http.StatusForbidden, "Another site"},
		"old browser":   {post(t, "/publish", map[string]string{"Origin": "http://attacker.example"}), http.StatusForbidden, "Another site"},
		"another verb":  {httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/publish/job.fail", nil), http.StatusMethodNotAllowed, ""},
		"another route": {post(t, "/publish/job.fail/twice", nil), http.StatusNotFound, ""},
	} {
		var done published
		answer := ask(dev.NewPage(new(farend.Log), done.publish, about), test.request)
		require.Equal(t, test.status, answer.Code, name)
		require.Contains(t, answer.Body.String(), test.says, name)
		require.Empty(t, done.types, name)
	}
}

func TestPublishTellsWhatFailed(t *testing.T) {
	t.Parallel()
	broken := func(context.Context, string) error { return errors.New("no responders") }
	answer := ask(dev.NewPage(new(farend.Log), broken, about), post(t, "/publish/job.fail", nil))
	require.Equal(t, http.StatusBadGateway, answer.Code)
	require.Equal(t, "job.fail could not be published: no responders\n", answer.Body.String())
}
