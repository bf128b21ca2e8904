package unsubscribe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
	"tocsin/schema"
)

// switches notes what was switched off.
type switches struct {
	mu   sync.Mutex
	off  []string
	fail error
}

func (s *switches) Off(_ context.Context, user, typeName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.off = append(s.off, user+" "+typeName)
	}
	return s.fail
}

func meaning(typeName string) string {
	kind, _ := schema.TypeNamed(typeName)
	return kind.Meaning
}

// serve gives the address of a link and what it switches off.
func serve(t *testing.T, s *switches) string {
	t.Helper()
	keys := signer(t, oldKey)
	mux := http.NewServeMux()
	mux.Handle(unsubscribe.Path, unsubscribe.Handler(keys, s.Off, meaning))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + unsubscribe.Path + tokenFor(t, keys, "ada", "job.fail")
}

func request(t *testing.T, method, link, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, link, strings.NewReader(body))
	require.NoError(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	answer, err := http.DefaultTransport.RoundTrip(req) // follows no redirect and keeps no cookie
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	page, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(page)
}

const form = "application/x-www-form-urlencoded"

func multipartBody(t *testing.T, value string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("List-Unsubscribe", value))
	require.NoError(t, w.Close())
	return w.FormDataContentType(), b.String()
}

func TestOneClick(t *testing.T) {
	t.Parallel()
	asMultipart, multipartOneClick := multipartBody(t, "One-Click")
	for name, post := range map[string]struct{ contentType, body string }{
		"form":                    {form, "List-Unsubscribe=One-Click"},
		"form with a charset":     {form + "; charset=UTF-8", "List-Unsubscribe=One-Click"},
		"multipart":               {asMultipart, multipartOneClick},
		"form with more than due": {form, "List-Unsubscribe=One-Click&x=y"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s switches
			link := serve(t, &s)
			for range 3 { // mail programs repeat themselves
				answer, page := request(t, http.MethodPost, link, post.contentType, post.body)
				require.Equal(t, http.StatusOK, answer.StatusCode)
				require.Contains(t, page, "These mails are off")
				require.Empty(t, answer.Header.Values("Set-Cookie"))
				require.Empty(t, answer.Header.Get("Location"))
			}
			require.Equal(t, []string{"ada job.fail", "ada job.fail", "ada job.fail"}, s.off, "exactly this user and type")
		})
	}
}

func TestOnlyOneClickSwitchesOff(t *testing.T) {
	t.Parallel()
	asMultipart, multipartOther := multipartBody(t, "Two-Clicks")
	for name, post := range map[string]struct{ contentType, body string }{
		"nothing":         {"", ""},
		"empty form":      {form, ""},
		"another value":   {form, "List-Unsubscribe=Two-Clicks"},
		"another field":   {form, "unsubscribe=One-Click"},
		"JSON":            {"application/json", `{"List-Unsubscribe":"One-Click"}`},
		"other multipart": {asMultipart, multipartOther},
		"cut multipart":   {asMultipart, multipartOther[:30]},
		"endless":         {form, "List-Unsubscribe=One-Click&x=" + strings.Repeat("x", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s switches
			answer, page := request(t, http.MethodPost, serve(t, &s), post.contentType, post.body)
			require.Equal(t, http.StatusBadRequest, answer.StatusCode)
			require.Contains(t, page, "Nothing was changed")
			require.Empty(t, s.off)
		})
	}
	t.Run("in the address", func(t *testing.T) {
		t.Parallel()
		var s switches
		answer, _ := request(t, http.MethodPost, serve(t, &s)+"?List-Unsubscribe=One-Click", form, "")
		require.Equal(t, http.StatusBadRequest, answer.StatusCode)
		require.Empty(t, s.off)
	})
}

// Scanners of mails fetch every link, some of them many times.
func TestScannersSwitchNothingOff(t *testing.T) {
	t.Parallel()
	var s switches
	link := serve(t, &s)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet, http.MethodOptions, http.MethodPut, http.MethodDelete} {
		for _, address := range []string{link, link + "?List-Unsubscribe=One-Click"} {
			answer, page := request(t, method, address, "", "")
			switch method {
			case http.MethodGet:
				require.Equal(t, http.StatusOK, answer.StatusCode)
				require.Contains(t, page, `<form method="post">`)
				require.Contains(t, page, `name="List-Unsubscribe" value="One-Click"`)
				require.Contains(t, page, "Job run failed")
				require.Contains(t, page, `href="../settings/ada"`, "the way to the settings, which asks for a session")
			case http.MethodHead:
				require.Equal(t, http.StatusOK, answer.StatusCode)
				require.Empty(t, page)
			default:
				require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
				require.Equal(t, "GET, HEAD, POST", answer.Header.Get("Allow"))
			}
		}
	}
	require.Empty(t, s.off)
}

func TestGarbageIsNotFound(t *testing.T) {
	t.Parallel()
	var s switches
	link := serve(t, &s)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, garbage := range []string{link + "x", link[:len(link)-1], link + "/..%2f", link[:strings.LastIndexByte(link, '/')+1]} {
			answer, page := request(t, method, garbage, form, "List-Unsubscribe=One-Click")
			require.Equal(t, http.StatusNotFound, answer.StatusCode, garbage)
			require.Contains(t, page, "This link does not work")
		}
	}
}

func TestFailureSaysTryAgain(t *testing.T) {
	t.Parallel()
	s := switches{fail: errors.New("redis at 10.0.0.7 is gone")}
	answer, page := request(t, http.MethodPost, serve(t, &s), form, "List-Unsubscribe=One-Click")
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.Equal(t, "60", answer.Header.Get("Retry-After"))
	require.NotContains(t, page, "10.0.0.7")
	require.Contains(t, page, `<form method="post">`)
}

func TestPageIsClosed(t *testing.T) {
	t.Parallel()
	var s switches
	answer, page := request(t, http.MethodGet, serve(t, &s), "", "")
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	require.Len(t, style, 2)
	sum := sha256.Sum256([]byte(style[1]))
	policy := answer.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'", "the browser applies the style")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, page, "<script")
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", answer.Header.Get("Referrer-Policy"))
	require.NotContains(t, page, "http", "nothing is fetched from elsewhere")
}
