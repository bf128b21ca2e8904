package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// contentPolicy lets a page load what comes with it, and nothing else. No script
// or style within a page runs, whoever wrote it there.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'"

// longestBody is many times what any form of ours holds: the longest has a
// client certificate and its key.
const longestBody = 64 << 10

// guard is around every handler: what browsers have to keep to, and what other
// sites may not do.
func (p *Pages) guard(next http.HandlerFunc) http.Handler {
	origins := http.NewCrossOriginProtection()
	base := p.Links.Base()
	// A proxy may pass another Host on. The origin has been checked at start.
	_ = origins.AddTrustedOrigin(base.Scheme + "://" + base.Host)
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, problem{http.StatusForbidden, "Another site sent this", "Nothing was changed. Use your settings page itself."})
	}))
	guarded := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", p.policy)
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

// readForm reads a posted form, or answers why it cannot.
func (p *Pages) readForm(w http.ResponseWriter, r *http.Request) bool {
	err := r.ParseForm()
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		p.fail(w, r, problem{http.StatusRequestEntityTooLarge, "That is too much", "Nothing was changed. The form holds more than any setting needs."})
	} else if err != nil {
		p.fail(w, r, problem{http.StatusBadRequest, "The form cannot be read", "Nothing was changed. Please reload the page and try again."})
	}
	return err == nil
}

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
