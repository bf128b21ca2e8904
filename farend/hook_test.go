package farend

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	goldenSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	goldenBody   = `{"test": 2432232314}`
)

// golden is the vector of the Standard Webhooks reference libraries.
func golden() http.Header {
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	return h
}

func TestSignedWith(t *testing.T) {
	t.Parallel()
	sentAt := time.Unix(1614265330, 0)
	with := func(name, value string) http.Header {
		h := golden()
		h.Set(name, value)
		return h
	}
	signature := golden().Get("webhook-signature")
	for name, c := range map[string]struct {
		header http.Header
		now    time.Time
		body   string
		want   bool
	}{
		"golden":                    {golden(), sentAt, goldenBody, true},
		"one of several signatures": {with("webhook-signature", "v1a,AAAA v1,AAAA "+signature), sentAt, goldenBody, true},
		"almost too old":            {golden(), sentAt.Add(5 * time.Minute), goldenBody, true},
		"too old":                   {golden(), sentAt.Add(5*time.Minute + time.Second), goldenBody, false},
		"too early":                 {golden(), sentAt.Add(-5*time.Minute - time.Second), goldenBody, false},
		"other body":                {golden(), sentAt, `{"test":2432232314}`, false},
		"other id":                  {with("webhook-id", "msg_other"), sentAt, goldenBody, false},
		"id with a full stop":       {with("webhook-id", "msg.1"), sentAt, goldenBody, false},
		"no id":                     {with("webhook-id", ""), sentAt, goldenBody, false},
		"no time":                   {with("webhook-timestamp", ""), sentAt, goldenBody, false},
		"no signature":              {with("webhook-signature", ""), sentAt, goldenBody, false},
		"separated by commas":       {with("webhook-signature", "v1,AAAA,"+signature), sentAt, goldenBody, false},
	} {
		require.Equal(t, c.want, signedWith(goldenSecret, c.header, []byte(c.body), c.now), name)
	}
	for _, key := range []string{"whsec_?", "whpk_AAAA", "", strings.TrimPrefix(goldenSecret, "whsec_")} {
		require.False(t, signedWith(key, golden(), []byte(goldenBody), sentAt), key)
	}
}

// The vector is that of Svix's server.
func TestSignedWithPublicKey(t *testing.T) {
	t.Parallel()
	const public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	sentAt := time.Unix(1614265330, 0)
	h := golden()
	require.False(t, signedWith(public, h, []byte(goldenBody), sentAt), "v1 is not a public key's")
	h.Set("webhook-signature", h.Get("webhook-signature")+" v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==")
	require.True(t, signedWith(public, h, []byte(goldenBody), sentAt))
	require.True(t, signedWith(goldenSecret, h, []byte(goldenBody), sentAt))
	require.False(t, signedWith(public, h, []byte("{}"), sentAt))
}

func startHook(t *testing.T) (*Hook, *Log) {
	t.Helper()
	log := &Log{}
	hook, err := NewHook(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	return hook, log
}

// ask makes one request with a context that ends with the test.
func ask(ctx context.Context, method, url, contentType, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	return http.DefaultClient.Do(req)
}

func post(t *testing.T, url, contentType, body string) *http.Response {
	t.Helper()
	resp, err := ask(t.Context(), http.MethodPost, url, contentType, body)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, resp.Body.Close()) })
	return resp
}

// postFails posts where no answer comes, and tells the error.
func postFails(ctx context.Context, url string) <-chan error {
	failed := make(chan error, 1)
	go func() {
		resp, err := ask(ctx, http.MethodPost, url, "application/json", "{}")
		if err == nil {
			err = errors.Join(errors.New("answered "+resp.Status), resp.Body.Close())
		}
		failed <- err
	}()
	return failed
}

func TestHookRecords(t *testing.T) {
	t.Parallel()
	hook, log := startHook(t)
	const body = `{"event_type":"job.fail","uid":1}`
	require.Equal(t, 200, post(t, hook.URL()+"/a?b=c", "text/plain", body).StatusCode)
	received, _ := log.Since(0)
	require.Len(t, received, 1)
	r := received[0]
	require.Equal(t, []string{"webhook", "/a", "job.fail", body, "200"}, []string{r.Channel, r.To, r.Title, r.Text, r.Status})
	require.Contains(t, r.Raw, "POST /a?b=c HTTP/1.1\r\n")
	require.Contains(t, r.Raw, "\r\n\r\n"+body)
	require.False(t, r.At.IsZero())
}

func TestHookRefuses(t *testing.T) {
	t.Parallel()
	hook, log := startHook(t)
	hook.Verify("/signed", goldenSecret)
	require.Equal(t, 401, post(t, hook.URL()+"/signed", "application/json", goldenBody).StatusCode, "not signed")
	require.Equal(t, 400, post(t, hook.URL()+"/signed", "text/plain", goldenBody).StatusCode, "not said to be JSON")
	require.Equal(t, 400, post(t, hook.URL()+"/signed", "application/json", "{").StatusCode, "not JSON")
	require.Equal(t, 413, post(t, hook.URL()+"/open", "application/json", strings.Repeat(" ", longestRequest+1)).StatusCode)
	resp, err := ask(t.Context(), http.MethodGet, hook.URL()+"/open", "", "")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 405, resp.StatusCode)
	received, _ := log.Since(0)
	require.Len(t, received, 5)
	require.Equal(t, "401", received[0].Status)
}

func TestHookAnswersAsTold(t *testing.T) {
	t.Parallel()
	hook, log := startHook(t)
	hook.Answer("/a", HookAnswer{Status: 503, Header: http.Header{"Retry-After": {"7"}}, Delay: time.Millisecond}, HookAnswer{Body: 100_000})
	first := post(t, hook.URL()+"/a", "application/json", "{}")
	require.Equal(t, 503, first.StatusCode)
	require.Equal(t, "7", first.Header.Get("Retry-After"))
	require.Equal(t, 200, post(t, hook.URL()+"/b", "application/json", "{}").StatusCode, "another path")
	length, err := io.Copy(io.Discard, post(t, hook.URL()+"/a", "application/json", "{}").Body)
	require.NoError(t, err)
	require.EqualValues(t, 100_000, length)
	require.Equal(t, 200, post(t, hook.URL()+"/a", "application/json", "{}").StatusCode)

	hook.Answer("/a", HookAnswer{Drop: true})
	require.ErrorIs(t, <-postFails(t.Context(), hook.URL()+"/a"), io.EOF)
	received, _ := log.Since(4)
	require.Len(t, received, 1)
	require.Empty(t, received[0].Status, "nothing was answered")
}

func TestHookDrips(t *testing.T) {
	t.Parallel()
	hook, _ := startHook(t)
	hook.Answer("/a", HookAnswer{Drip: true})
	resp := post(t, hook.URL()+"/a", "application/json", "{}")
	some := make([]byte, 3)
	_, err := io.ReadFull(resp.Body, some)
	require.NoError(t, err)
	require.Equal(t, "...", string(some))
}

func TestHookHangsUntilTheCallerGoes(t *testing.T) {
	t.Parallel()
	hook, log := startHook(t)
	hook.Answer("/a", HookAnswer{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, arrived := log.Since(0)
	failed := postFails(ctx, hook.URL()+"/a")
	<-arrived
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}

func TestHookCloseEndsWhatHangs(t *testing.T) {
	t.Parallel()
	log := &Log{}
	hook, err := NewHook(log)
	require.NoError(t, err)
	hook.Answer("/a", HookAnswer{Hang: true})
	_, arrived := log.Since(0)
	failed := postFails(t.Context(), hook.URL()+"/a")
	<-arrived
	require.NoError(t, hook.Close())
	require.NotContains(t, (<-failed).Error(), "answered")
}

func TestTLSHook(t *testing.T) {
	t.Parallel()
	log := &Log{}
	hook, authority, err := NewTLSHook(log, HookTLS{Mutual: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	security := &tls.Config{RootCAs: authority.Roots(), MinVersion: tls.VersionTLS12}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	require.Error(t, postWith(t, client, hook.URL()+"/a").err, "without a certificate")

	certificate, key, err := authority.NewClient("tocsin")
	require.NoError(t, err)
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	require.NoError(t, err)
	security.Certificates = []tls.Certificate{pair}
	hook.Answer("/a", HookAnswer{Text: "taken"})
	got := postWith(t, client, hook.URL()+"/a")
	require.NoError(t, got.err)
	require.Equal(t, "taken", got.said)
	require.Equal(t, 2, got.protocol)
	require.Len(t, log.Deliveries(), 1)
}

type posted struct {
	said     string
	protocol int
	err      error
}

func postWith(t *testing.T, client *http.Client, url string) posted {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	require.NoError(t, err)
	resp, err := client.Do(req)
	if err != nil {
		return posted{err: err}
	}
	said, err := io.ReadAll(resp.Body)
	return posted{string(said), resp.ProtoMajor, errors.Join(err, resp.Body.Close())}
}
