package farend_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

// The limits are Apple's ("Establishing a token-based connection to APNs"),
// for all connections of the provider together.
func TestAPNsLimitsBearers(t *testing.T) {
	t.Parallel()
	began := time.Unix(1751846400, 0)
	var passed atomic.Int64 // minutes
	p := startProvider(t, farend.APNsOptions{Now: func() time.Time { return began.Add(time.Duration(passed.Load()) * time.Minute) }})
	issued := func(minute int) string {
		return p.bearer(t, p.credentials.KeyID, p.credentials.TeamID, began.Add(time.Duration(minute)*time.Minute))
	}
	first, second, third := issued(0), issued(10), issued(21)
	for _, step := range []struct {
		minute int64
		bearer string
		fresh  bool // connection
		status int
	}{
		{0, first, false, http.StatusOK},
		{10, second, false, http.StatusTooManyRequests},
		{10, second, true, http.StatusTooManyRequests},
		{19, issued(0), true, http.StatusTooManyRequests}, // another signature is another token
		{19, first, true, http.StatusOK},
		{21, third, false, http.StatusOK},
		{21, first, false, http.StatusTooManyRequests}, // this connection has had a newer one
		{21, first, true, http.StatusOK},
		{60, first, true, http.StatusOK},
		{61, first, true, http.StatusForbidden},
		{81, third, false, http.StatusOK},
		{82, third, false, http.StatusForbidden},
	} {
		passed.Store(step.minute)
		client := p.client
		if step.fresh {
			client = &http.Client{Transport: p.client.Transport.(*http.Transport).Clone()}
		}
		r := p.request(t)
		r.Header.Set("authorization", step.bearer)
		response, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, step.status, response.StatusCode, "%+v", step)
		if step.fresh {
			client.CloseIdleConnections()
		}
	}
}
