package pages_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	i := install(t, publicly{})
	v := i.opened("ada")
	answer, page := v.get("/settings/ada/events")
	require.Equal(t, http.StatusOK, answer.StatusCode, page)
	answer, page = v.post("/settings/ada/events", url.Values{"set": {"job.fail/email=off"}})
	require.Equal(t, http.StatusOK, answer.StatusCode, page)
	answer, page = v.get("/settings/ada/channels")
	require.Equal(t, http.StatusOK, answer.StatusCode, page)
	answer, page = v.get("/settings/ada/deliveries")
	require.Equal(t, http.StatusOK, answer.StatusCode, page)
	answer, page = v.post("/settings/ada/channels", url.Values{"channel": {"webhook"}, "do": {"save"}, "url": {i.hook.URL() + "/x"}})
	require.Equal(t, http.StatusOK, answer.StatusCode, page)
	require.Contains(t, page, "whsec_")
	answer, page = v.post("/settings/ada/channels", url.Values{"channel": {"webhook"}, "do": {"test"}, "id": {"main"}, "type": {"job.fail"}})
	require.Equal(t, http.StatusOK, answer.StatusCode, page)
	require.Contains(t, page, "Delivered")
}
