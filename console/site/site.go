// Package site is what all pages of an installation have in common: how they
// look, and what browsers are held to. They ask nothing of any other host, and
// no script or style within a page runs, whoever wrote it there.
package site

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// contentPolicy lets a page load what comes with it, and nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'"

// longestBody is many times what any form of ours holds: the longest has a
// client certificate and its key.
const longestBody = 64 << 10

// Site says where pages are, and who may show them in a frame.
type Site struct {
	// Prefix is the path of the public URL, without a slash at its end: what every
	// address on a page begins with. A proxy in front takes it away.
	Prefix string
	// Secure reports whether browsers come by https.
	Secure bool

	origin string
	policy string // Content-Security-Policy
}

// New makes the site at a public URL. Ancestors are the origins whose pages may
// show its pages in a frame; none: nobody's. The error names the one that is no
// origin.
func New(base *url.URL, ancestors []string) (*Site, error) {
	sources, err := frameAncestors(ancestors)
	if err != nil {
		return nil, err
	}
	path := base.JoinPath("/").EscapedPath()
	return &Site{
		Prefix: path[:len(path)-1],
		Secure: base.Scheme == "https",
		origin: base.Scheme + "://" + base.Host,
		policy: contentPolicy + "; frame-ancestors " + sources,
	}, nil
}

// Guard is around every handler: what browsers have to keep to, and what other
// sites may not do. refused answers a request that another site has sent.
func (s *Site) Guard(next, refused http.HandlerFunc) http.Handler {
	origins := http.NewCrossOriginProtection()
	// A proxy may pass another Host on. The origin has been checked at start.
	_ = origins.AddTrustedOrigin(s.origin)
	origins.SetDenyHandler(refused)
	guarded := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", s.policy)
		// A path or query may be a capability, so other sites are told nothing. With
		// no-referrer, forms of our own would come from the origin "null" (Fetch
		// section 3.2), which is what other sites' hidden ones come from.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cache-Control", "no-store")
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, longestBody)
		}
		guarded.ServeHTTP(w, r)
	})
}

// ByScript reports whether htmx asks, which takes parts of a page.
func ByScript(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// frameAncestors is the value of the directive (CSP level 3 section 6.4.2.1).
func frameAncestors(origins []string) (string, error) {
	if len(origins) == 0 {
		return "'none'", nil
	}
	sources := []string{"'self'"}
	for _, origin := range origins {
		u, err := url.Parse(strings.TrimSpace(origin))
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || strings.ContainsAny(u.Host, ";, '\"") ||
			u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return "", fmt.Errorf("%.80q is not an origin; write https://platform.example.com, several with spaces between them", origin)
		}
		sources = append(sources, u.Scheme+"://"+u.Host)
	}
	return strings.Join(sources, " "), nil
}
