package unsubscribe_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
)

// FuzzPost gives what may be posted to a link that is good. Only what says
// One-Click calls anything off, and nothing is our fault.
func FuzzPost(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte(unsubscribe.HeaderPost))
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"))
	f.Add("multipart/form-data; boundary=", []byte("--"))
	f.Add("application/x-www-form-urlencoded", []byte("a=%zz;b"))
	f.Add("text/plain", []byte(strings.Repeat("x", 10_000)))
	s, called := signer(f, oldKey), 0
	off := func(context.Context, string, string) error { called++; return nil }
	handler := unsubscribe.Handler(s, off, func(string) string { return "" })
	link := s.Link(&url.URL{Scheme: "https", Host: "tocsin.example.com"}, "ada", "job.fail")
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		called = 0
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, link, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, w.Code)
		require.Equal(t, w.Code == http.StatusOK, called == 1)
	})
}
