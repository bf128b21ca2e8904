package webhook

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/httpfail"
	"tocsin/channels/outbound"
)

// Settings that pass make a request that can be sent, and what is wrong with
// others is said in one line without the settings.
func FuzzSettings(f *testing.F) {
	f.Add("https://example.com/", goldenSecret, "", "Authorization: x", "5s", "", "")
	f.Add("http://[::1]:8080/?q", "", "whsk_AAAA", "a:b\nA:c", "-1s", "-----BEGIN", "KEY")
	f.Add("//u:p@h", "whsec_", "", ":\r\n", "9999999h", "", "k")
	f.Fuzz(func(t *testing.T, url, secret, key, headers, timeout, cert, certKey string) {
		raw, err := json.Marshal(map[string]string{"url": url, "secret": secret, "signing_key": key, "headers": headers,
			"timeout": timeout, "client_cert": cert, "client_key": certKey})
		require.NoError(t, err)
		err = check(raw)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			if len(secret) > 20 {
				require.NotContains(t, err.Error(), secret)
			}
			return
		}
		end, err := endpointOf(raw, time.Now())
		if err != nil {
			require.ErrorIs(t, err, errUnsigned)
			return
		}
		require.NotEmpty(t, end.signers)
		require.Contains(t, []string{"http", "https"}, end.url.Scheme)
		require.NotEmpty(t, end.url.Hostname())
		require.Nil(t, end.url.User)
		require.LessOrEqual(t, end.timeout(time.Second), outbound.LongestTimeout)
		for name, value := range end.headers.all() {
			require.NotContains(t, name+strings.Join(value, ""), "\n")
		}
	})
}

func FuzzSettingsInAnyJSON(f *testing.F) {
	f.Add([]byte(`{"url":"https://example.com/","headers":{"A":"b"},"previous_until":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"url":{},"headers":[1]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if check(raw) == nil {
			_, err := endpointOf(raw, time.Now())
			require.True(t, err == nil || err == errUnsigned) //nolint:errorlint // nothing else, and not wrapped
		}
		if rotated, shown, err := Rotate(raw, time.Now()); err == nil {
			require.True(t, json.Valid(rotated))
			require.NotEmpty(t, shown)
		}
	})
}

// Whatever an endpoint answers, it means one thing, and its text is not ours.
func FuzzOutcome(f *testing.F) {
	f.Add(410, "", "")
	f.Add(503, "abort-message, disable", "120")
	f.Add(204, "disable", "-1")
	f.Fuzz(func(t *testing.T, status int, said, wait string) {
		answer := &outbound.Answer{Status: status, Header: http.Header{"Webhook-Delivery": {said}, "Retry-After": {wait}}}
		err := outcome(answer, time.Now())
		if status/100 == 2 {
			require.NoError(t, err)
			return
		}
		failure := channels.FailureOf(err)
		require.Contains(t, []channels.Kind{channels.Temporary, channels.Permanent, channels.Gone}, failure.Kind)
		require.Equal(t, failure.Kind == channels.Gone, !failure.Since.IsZero())
		require.LessOrEqual(t, failure.Wait, httpfail.LongestWait)
		require.GreaterOrEqual(t, failure.Wait, time.Duration(0))
		require.NotContains(t, failure.Error(), "\n")
	})
}
