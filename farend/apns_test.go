package farend_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

const (
	device = "0a1b2c"
	pushID = "f47ac10b-58cc-8372-a567-0e02b2c3d479"
)

type provider struct {
	server      *farend.APNs
	log         *farend.Log
	credentials farend.APNsCredentials
	key         *ecdsa.PrivateKey
	client      *http.Client
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{log: &farend.Log{}}
	var err error
	p.server, err = farend.NewAPNs(p.log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.server.Close() })
	p.credentials, err = p.server.WriteCredentials(t.TempDir())
	require.NoError(t, err)

	file, err := os.ReadFile(p.credentials.KeyFile)
	require.NoError(t, err)
	block, _ := pem.Decode(file)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	p.key = key.(*ecdsa.PrivateKey)

	roots := x509.NewCertPool()
	ca, err := os.ReadFile(p.credentials.CAFile)
	require.NoError(t, err)
	require.True(t, roots.AppendCertsFromPEM(ca))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{Transport: transport}
	return p
}

func (p *provider) bearer(t *testing.T, keyID, teamID string, issued time.Time) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{Issuer: teamID, IssuedAt: jwt.NewNumericDate(issued)})
	token.Header["kid"] = keyID
	signed, err := token.SignedString(p.key)
	require.NoError(t, err)
	return "bearer " + signed
}

// request is a good one, to be spoilt.
func (p *provider) request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.server.URL()+"/3/device/"+device, nil)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"authorization":    p.bearer(t, p.credentials.KeyID, p.credentials.TeamID, time.Now()),
		"apns-topic":       p.credentials.Topic,
		"apns-id":          pushID,
		"apns-push-type":   "alert",
		"apns-priority":    "10",
		"apns-expiration":  "1751846400",
		"apns-collapse-id": strings.Repeat("x", 64),
	} {
		r.Header.Set(name, value)
	}
	setBody(r, `{"aps":{"alert":{"title":"Job failed","body":"x"}}}`)
	return r
}

func setBody(r *http.Request, body string) {
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
}

func (p *provider) push(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	response, err := p.client.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	require.Equal(t, 2, response.ProtoMajor)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestAPNsTakesPush(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	status, body := p.push(t, p.request(t))
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, body)
	received, _ := p.log.Since(0)
	require.Len(t, received, 1)
	require.Equal(t, []string{"ios", pushID, device, "Job failed", "200"},
		[]string{received[0].Channel, received[0].Delivery, received[0].To, received[0].Title, received[0].Status})
	require.NotContains(t, received[0].Raw, "bearer")
}

func TestAPNsRefuses(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	now := time.Now()
	for name, test := range map[string]struct {
		spoil  func(*http.Request)
		reason string
		status int
	}{
		"method":       {func(r *http.Request) { r.Method = http.MethodPut }, "MethodNotAllowed", 405},
		"path":         {func(r *http.Request) { r.URL.Path = "/device/" + device }, "BadPath", 404},
		"no token":     {func(r *http.Request) { r.URL.Path = "/3/device/" }, "MissingDeviceToken", 400},
		"odd token":    {func(r *http.Request) { r.URL.Path = "/3/device/abc" }, "BadDeviceToken", 400},
		"no provider":  {func(r *http.Request) { r.Header.Del("authorization") }, "MissingProviderToken", 403},
		"not a JWT":    {set("authorization", "bearer x"), "InvalidProviderToken", 403},
		"wrong key":    {set("authorization", p.bearer(t, "OTHER00KEY", p.credentials.TeamID, now)), "InvalidProviderToken", 403},
		"wrong team":   {set("authorization", p.bearer(t, p.credentials.KeyID, "OTHER0TEAM", now)), "InvalidProviderToken", 403},
		"old":          {set("authorization", p.bearer(t, p.credentials.KeyID, p.credentials.TeamID, now.Add(-61*time.Minute))), "ExpiredProviderToken", 403},
		"no topic":     {func(r *http.Request) { r.Header.Del("apns-topic") }, "MissingTopic", 400},
		"other topic":  {set("apns-topic", "com.example.other"), "TopicDisallowed", 400},
		"capital id":   {set("apns-id", strings.ToUpper(pushID)), "BadMessageId", 400},
		"no push type": {func(r *http.Request) { r.Header.Del("apns-push-type") }, "InvalidPushType", 400},
		"priority":     {set("apns-priority", "7"), "BadPriority", 400},
		"background":   {set("apns-push-type", "background"), "BadPriority", 400},
		"expiration":   {set("apns-expiration", "tomorrow"), "BadExpirationDate", 400},
		"collapse id":  {set("apns-collapse-id", strings.Repeat("x", 65)), "BadCollapseId", 400},
		"twice":        {func(r *http.Request) { r.Header.Add("apns-topic", "x") }, "DuplicateHeaders", 400},
		"no aps":       {func(r *http.Request) { setBody(r, `{"x":1}`) }, "PayloadEmpty", 400},
		"not JSON":     {func(r *http.Request) { setBody(r, `hello`) }, "PayloadEmpty", 400},
		"payload":      {func(r *http.Request) { setBody(r, `{"aps":{},"x":"`+strings.Repeat("x", 4096)+`"}`) }, "PayloadTooLarge", 413},
	} {
		fresh := *p // a connection of its own, since each has its own bearer
		fresh.client = &http.Client{Transport: p.client.Transport.(*http.Transport).Clone()}
		r := fresh.request(t)
		test.spoil(r)
		status, body := fresh.push(t, r)
		fresh.client.CloseIdleConnections()
		require.Equal(t, test.status, status, name)
		require.JSONEq(t, `{"reason":"`+test.reason+`"}`, body, name)
	}
}

func TestAPNsScript(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	died := time.UnixMilli(1751846400123)
	p.server.Answer(device,
		farend.APNsAnswer{Status: http.StatusGone, Reason: "Unregistered", Since: died},
		farend.APNsAnswer{Status: http.StatusBadGateway, Body: "<html>"})
	r := p.request(t)
	authorization := r.Header.Get("authorization")
	status, body := p.push(t, r)
	require.Equal(t, http.StatusGone, status)
	var answer struct {
		Reason    string
		Timestamp int64
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, "Unregistered", answer.Reason)
	require.Equal(t, died.UnixMilli(), answer.Timestamp)

	again := func() (int, string) {
		r := p.request(t)
		r.Header.Set("authorization", authorization)
		return p.push(t, r)
	}
	status, body = again()
	require.Equal(t, http.StatusBadGateway, status)
	require.Equal(t, "<html>", body)
	status, _ = again()
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 1, p.server.Connections())
}

func TestAPNsRefusesNewBearers(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	status, _ := p.push(t, p.request(t))
	require.Equal(t, http.StatusOK, status)
	r := p.request(t)
	r.Header.Set("authorization", p.bearer(t, p.credentials.KeyID, p.credentials.TeamID, time.Now().Add(-time.Minute)))
	status, body := p.push(t, r)
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Contains(t, body, "TooManyProviderTokenUpdates")
}

func TestAPNsAllowsOneStreamAtFirst(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	p.server.Answer(device, farend.APNsAnswer{Hang: true})
	conn, err := p.client.Transport.(*http.Transport).NewClientConn(t.Context(), "https", strings.TrimPrefix(p.server.URL(), "https://"))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	require.Error(t, pushTwo(t, p, conn), "one of two at a time is reset")
	require.Equal(t, 1, p.server.EarlyStreams())
}

// pushTwo sends two pushes at a time and gives the error of the first to end.
func pushTwo(t *testing.T, p *provider, conn *http.ClientConn) error {
	t.Helper()
	errs := make(chan error, 2)
	for range 2 {
		r := p.request(t)
		go func() {
			response, err := conn.RoundTrip(r)
			if err == nil {
				err = response.Body.Close()
			}
			errs <- err
		}()
	}
	return <-errs
}
