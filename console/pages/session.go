package pages

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/console/links"
	"tocsin/prefs"
	"tocsin/schema"
)

// sessionLife is how long a page that was opened can be used: a working day.
const sessionLife = 8 * time.Hour

const cookieName = "tocsin_session"

// enter exchanges a link for a session, and sends the browser on to an address
// without the signature.
func (p *Pages) enter(w http.ResponseWriter, r *http.Request) {
	claim, err := p.Links.OpenSettings(r.URL.Query().Get(links.TokenParameter))
	switch {
	case errors.Is(err, links.ErrExpired):
		p.fail(w, r, problem{http.StatusGone, "This link has expired", askForLink})
		return
	case err != nil || !schema.ValidID(claim.User):
		p.fail(w, r, problem{http.StatusForbidden, "This link does not work", "It is damaged, or not one of ours. " + askForLink})
		return
	}
	if onlyLooks(r) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	first, err := p.Store.SpendLink(r.Context(), claim.ID, claim.Expires)
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	page := p.home(claim.User) + "/events"
	if first {
		http.SetCookie(w, p.cookie(claim.User))
	} else {
		page += "?" + usedLink // who clicked twice has the cookie, and who found the link has not
	}
	http.Redirect(w, r, page, http.StatusSeeOther)
}

// usedLink is the query of a page to which a link leads for the second time.
const usedLink = "used"

// onlyLooks reports whether a program asks, so that no person finds the link
// used: one that checks links, or a browser that loads ahead.
func onlyLooks(r *http.Request) bool {
	return r.Method == http.MethodHead || strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}

const askForLink = "Open your notification settings from the platform once more."

// cookie is sent back to the pages of one user alone. In a frame on another
// site's page it has to be SameSite=None, which browsers keep for each of those
// sites apart (Partitioned) and take by https only.
func (p *Pages) cookie(user string) *http.Cookie {
	expires := time.Now().Add(sessionLife)
	c := &http.Cookie{ //nolint:gosec // Secure by https, which dev lacks
		Name: cookieName, Value: p.Links.Session(user, expires), Path: p.home(user), MaxAge: int(sessionLife.Seconds()),
		HttpOnly: true, Secure: p.site.Secure, SameSite: http.SameSiteLaxMode,
	}
	if p.site.Secure && len(p.FrameAncestors) > 0 {
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	}
	return c
}

// isIn reports whether the request's session is this user's.
func (p *Pages) isIn(r *http.Request, user string) bool {
	for _, cookie := range r.CookiesNamed(cookieName) {
		if claim, err := p.Links.OpenSession(cookie.Value); err == nil && claim.User == user {
			return true
		}
	}
	return false
}

// session lets in whoever has a session of the user in the path.
func (p *Pages) session(next visitHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user := r.PathValue("user")
		if !p.isIn(r, user) {
			// A script that asks has the whole page loaded, to show what is said here.
			w.Header().Set("HX-Refresh", "true")
			p.fail(w, r, closed(r))
			return
		}
		v, err := p.person(r.Context(), user)
		switch {
		case errors.Is(err, prefs.ErrNoUser):
			p.fail(w, r, problem{http.StatusGone, "There are no settings", "You are not known here any more."})
		case err != nil:
			p.unavailable(w, r, err)
		default:
			next(w, r, v)
		}
	}
}

func closed(r *http.Request) problem {
	if r.URL.RawQuery == usedLink {
		return problem{http.StatusUnauthorized, "This link was used before", "It opens your settings once. " + askForLink}
	}
	return problem{http.StatusUnauthorized, "Your settings are closed", "They close by themselves after some hours. " + askForLink}
}

func (p *Pages) overview(w http.ResponseWriter, r *http.Request) {
	user := r.PathValue("user")
	if !schema.ValidID(user) {
		p.notFound(w, r)
		return
	}
	http.Redirect(w, r, p.home(user)+"/events", http.StatusSeeOther) //nolint:gosec // a path of ours, and an id that is checked
}

// unavailable says that a server behind this one did not answer as it should.
func (p *Pages) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		p.Log.Error("settings page", zap.String("path", r.URL.Path), zap.Error(err))
	}
	w.Header().Set("Retry-After", "60") // RFC 9110 section 10.2.3, in seconds
	p.fail(w, r, problem{http.StatusServiceUnavailable, "That did not work", "Nothing was changed. Please try again in a minute."})
}
