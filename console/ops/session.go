package ops

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/schema"
)

// sessionLife is how long a browser stays signed in: a working day.
const sessionLife = 8 * time.Hour

const cookieName = "tocsin_ops"

// visit is one request of somebody who is signed in.
type visit struct {
	holder
	from string // the address that asks
}

type visitHandler func(w http.ResponseWriter, r *http.Request, v visit)

// session lets in whoever is signed in.
func (c *Console) session(next visitHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h, in := c.signedIn(r)
		if in {
			next(w, r, visit{h, addressOf(r)})
			return
		}
		w.Header().Set("HX-Redirect", c.signInURL(r)) // to a script that asks; the whole page goes there
		http.Redirect(w, r, c.signInURL(r), http.StatusSeeOther)
	}
}

func (c *Console) signedIn(r *http.Request) (holder, bool) {
	for _, cookie := range r.CookiesNamed(cookieName) {
		if mark, err := c.Links.OpenOpsSession(cookie.Value); err == nil {
			if h, known := c.Keys.marked(mark); known {
				return h, true
			}
		}
	}
	return holder{}, false
}

// signInURL comes back to the page that was asked for.
func (c *Console) signInURL(r *http.Request) string {
	to := c.home() + "/sign-in"
	if r.Method == http.MethodGet && r.URL.Path != Path && r.Header.Get("HX-Request") == "" {
		to += "?" + url.Values{"to": {strings.TrimPrefix(r.URL.RequestURI(), Path)}}.Encode()
	}
	return to
}

// signInView is the page that asks for a key.
type signInView struct {
	layout
	Closed bool // no key opens the console
	To     string
	Error  string
}

func (c *Console) askForKey(w http.ResponseWriter, r *http.Request) {
	c.answerSignIn(w, r, http.StatusOK, "")
}

func (c *Console) answerSignIn(w http.ResponseWriter, r *http.Request, code int, wrong string) {
	view := signInView{layout: layout{Title: "Tocsin operations", Prefix: c.site.Prefix}, Closed: c.Keys.None(), To: r.FormValue("to"), Error: wrong}
	if view.Closed {
		code = http.StatusForbidden
	}
	c.show(w, code, "sign-in.html", view)
}

// signIn exchanges a key for a session.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	if !c.readForm(w, r) {
		return
	}
	from := addressOf(r)
	if !c.tries.may(from) {
		w.Header().Set("Retry-After", "60") // RFC 9110 section 10.2.3, in seconds
		c.answerSignIn(w, r, http.StatusTooManyRequests, "Too many wrong keys came from your address. Wait a minute.")
		return
	}
	h, mark, known := c.Keys.find(strings.TrimSpace(r.PostForm.Get("key")))
	if !known {
		c.tries.failed(from)
		c.Log.Warn("a wrong ops key", zap.String("from", from))
		c.answerSignIn(w, r, http.StatusUnauthorized, "No key of this installation is like this.")
		return
	}
	act := visit{h, from}.act("sign-in", "the console", "")
	err := c.trail.Do(r.Context(), act, func() error { return nil })
	if err != nil {
		c.unavailable(w, r, err)
		return
	}
	http.SetCookie(w, c.cookie(c.Links.OpsSession(mark, time.Now().Add(sessionLife)), int(sessionLife.Seconds())))
	http.Redirect(w, r, c.home()+localPath(r.PostForm.Get("to")), http.StatusSeeOther) //nolint:gosec // localPath lets no other site through
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request, _ visit) {
	http.SetCookie(w, c.cookie("", -1))
	http.Redirect(w, r, c.home()+"/sign-in", http.StatusSeeOther)
}

func (c *Console) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure by https, which dev lacks
		Name: cookieName, Value: value, Path: c.home(), MaxAge: maxAge,
		HttpOnly: true, Secure: c.site.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// localPath is a path and query within the console, whatever the form says.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || strings.Contains(to, "\\") ||
		strings.Contains(u.Path, "..") {
		return ""
	}
	return u.RequestURI()
}

// act is what the visitor does, for the audit stream.
func (v visit) act(what, on, detail string) schema.Act {
	return schema.Act{Who: v.name, Role: string(v.role), Via: schema.ByConsole, From: v.from, What: what, On: on, Detail: detail}
}
