package hipchat_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/hipchat"
	"tocsin/farend"
)

// A server of one's own, with a certificate of one's own, below a path.
func TestPrivateServer(t *testing.T) {
	t.Parallel()
	arrived := &farend.Log{}
	behind, err := url.Parse(newServer(t, arrived).URL())
	require.NoError(t, err)
	front := httptest.NewUnstartedServer(http.StripPrefix("/chat", httputil.NewSingleHostReverseProxy(behind)))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is meant to fail
	front.StartTLS()
	t.Cleanup(front.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o600))

	channel, err := (&hipchat.Config{URL: front.URL + "/chat/", CAFile: authority}).Open()
	require.NoError(t, err)
	for _, version := range []string{"1", "2"} {
		require.NoError(t, channel.Send(t.Context(), delivery("job.fail", "nightly"), target(t, version)))
	}
	received, _ := arrived.Since(0)
	require.Len(t, received, 2)
	require.Equal(t, room, received[1].To)

	f := channels.FailureOf(openAt(t, front.URL).Send(t.Context(), delivery("job.fail", "nightly"), target(t, "1")))
	require.Equal(t, channels.Misconfigured, f.Kind)
	require.ErrorContains(t, f.Err, "TOCSIN_HIPCHAT_CA_FILE")
	f = channels.FailureOf(openAt(t, behind.JoinPath("chat").String()).Send(t.Context(), delivery("job.fail", "nightly"), target(t, "1")))
	require.Equal(t, channels.Misconfigured, f.Kind)
	require.ErrorContains(t, f.Err, "TOCSIN_HIPCHAT_URL")
}

func TestOpenReadsTheAuthority(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, file := range []string{empty, empty + ".missing"} {
		_, err := (&hipchat.Config{URL: "https://chat.example.com", CAFile: file}).Open()
		require.ErrorContains(t, err, "TOCSIN_HIPCHAT_CA_FILE", file)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	require.False(t, (&hipchat.Config{}).Present())
	for _, bad := range []string{"", "chat.example.com", "ftp://chat.example.com", "https://u:p@chat.example.com", "https://chat.example.com/?a=b", "https://", "https://chat.example.com/#x", "://"} {
		_, err := (&hipchat.Config{URL: bad}).Open()
		require.ErrorContains(t, err, "TOCSIN_HIPCHAT_URL", bad)
	}
	for _, good := range []string{"https://chat.example.com", "http://10.0.0.1:8080/hipchat/"} {
		_, err := (&hipchat.Config{URL: good}).Open()
		require.NoError(t, err, good)
		require.True(t, (&hipchat.Config{URL: good}).Present())
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for settings, why := range map[string]string{
		`{"token":"t","room":"Ops"}`:                   "",
		`{"token":"t","room":"Ops","api_version":"2"}`: "",
		`{"token":"t","room":"Ops","api_version":"3"}`: "API version must be 1 or 2",
		`{"token":"t","room":"Ops","api_version":2}`:   "not an object of texts",
		`{"token":"t t","room":"Ops"}`:                 "token holds a character",
		`{"token":"t\n","room":"Ops"}`:                 "token holds a character",
		`{"room":"Ops"}`:                               "token is needed",
		`{"token":"t","room":" "}`:                     "room is needed",
		`{"token":"t","room":".."}`:                    "not a room's name",
		`{"token":"t","room":"a\nb"}`:                  "not a room's name",
	} {
		err := hipchat.Spec().Check(json.RawMessage(settings))
		if why == "" {
			require.NoError(t, err, settings)
			continue
		}
		require.ErrorContains(t, err, why, settings)
	}
}
