package webhook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"https://example.com", "http://example.com/hook?key=1", "HTTPS://example.com:8443/a%20b",
		"https://[2606:4700::1]/x", "https://93.184.216.34/", "https://bücher.example/",
	} {
		require.NoError(t, CheckURL(good), good)
	}
	for bad, why := range map[string]string{
		"":                                "a URL is needed",
		"example.com/hook":                "must begin with https://",
		"ftp://example.com/":              "must begin with https://",
		"javascript:alert(1)":             "must begin with https://",
		"https:example.com":               "must name a host",
		"https:///hook":                   "must name a host",
		"https://:8443/hook":              "must name a host",
		"https://user:pw@example.com/":    "user name or password",
		"https://user@example.com/":       "user name or password",
		"https://example.com/#top":        "fragment",
		"https://example.com/#":           "fragment",
		"https://example.com:0/":          "port",
		"https://example.com:65536/":      "port",
		"https://example.com:http/":       "not well-formed",
		"https://example.com/\x7f":        "not well-formed",
		"https://exa mple.com/":           "not well-formed",
		"https://example.com/%zz":         "not well-formed",
		"https://[::1/":                   "not well-formed",
		longer("https://example.com/"):    "longer than 2048",
		"https://example.com\r\nX: y/":    "not well-formed",
		" https://example.com/leading-sp": "not well-formed",
	} {
		require.ErrorContains(t, CheckURL(bad), why, bad)
	}
}

func longer(url string) string { return url + strings.Repeat("a", 2048) }

func TestCheckSettings(t *testing.T) {
	t.Parallel()
	spec := Spec()
	for settings, why := range map[string]string{
		`{"url":"https://example.com/"}`:                                    "",
		`{"url":"https://example.com/","secret":"` + goldenSecret + `"}`:    "",
		`{"url":"https://example.com/","secret":"hunter2"}`:                 "signing secret",
		`{"url":"https://example.com/","previous_until":"tomorrow"}`:        "not an object of texts",
		`{"url":"ftp://example.com/"}`:                                      "must begin with",
		`{"url":["https://example.com/"]}`:                                  "not an object of texts",
		`{"url":"https://example.com/","secret":"","unknown":{"kept":"x"}}`: "",
	} {
		err := spec.Check(json.RawMessage(settings))
		if why == "" {
			require.NoError(t, err, settings)
			continue
		}
		require.ErrorContains(t, err, why, settings)
	}
}
