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
	secure      *tls.Config
	client      *http.Client
	token       string // what request presents
}

func startProvider(t *testing.T, options farend.APNsOptions) *provider {
	t.Helper()
	p := &provider{log: &farend.Log{}}
	var err error
	p.server, err = farend.NewAPNsWith(p.log, options)
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
	p.secure = &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"}}
	transport := &http.Transport{TLSClientConfig: p.secure, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{Transport: transport}
	p.token = p.bearer(t, p.credentials.KeyID, p.credentials.TeamID, time.Now())
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
		"authorization":    p.token,
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
	p := startProvider(t, farend.APNsOptions{})
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
	p := startProvider(t, farend.APNsOptions{})
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
		"early":        {set("authorization", p.bearer(t, p.credentials.KeyID, p.credentials.TeamID, now.Add(time.Minute))), "InvalidProviderToken", 403},
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
		r := p.request(t)
		test.spoil(r)
		status, body := p.push(t, r)
		require.Equal(t, test.status, status, name)
		require.JSONEq(t, `{"reason":"`+test.reason+`"}`, body, name)
	}
}

func TestAPNsScript(t *testing.T) {
	t.Parallel()
	p := startProvider(t, farend.APNsOptions{})
	died := time.UnixMilli(1751846400123)
	p.server.Answer(device,
		farend.APNsAnswer{Status: http.StatusGone, Reason: "Unregistered", Since: died},
		farend.APNsAnswer{Status: http.StatusBadGateway, Body: "<html>"})
	r := p.request(t)
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
		return p.push(t, p.request(t))
	}
	status, body = again()
	require.Equal(t, http.StatusBadGateway, status)
	require.Equal(t, "<html>", body)
	status, _ = again()
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 1, p.server.Connections())
}
