package unsubscribe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"path"
)

var (
	//go:embed page.html
	pageSource string

	//go:embed page.css
	style string

	pageTemplate = template.Must(template.New("page").Parse(pageSource))

	// policy allows the page its own style and its own form, and nothing else.
	policy = "default-src 'none'; style-src 'sha256-" + styleHash() +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// field and oneClick are the body that RFC 8058 section 3.1 prescribes.
const (
	field    = "List-Unsubscribe"
	oneClick = "One-Click"

	// HeaderPost is the value of List-Unsubscribe-Post (RFC 8058 section 8).
	HeaderPost = field + "=" + oneClick
)

// longestBody is many times what a mail program posts.
const longestBody = 4 << 10

// Handler serves links. GET shows a form and never switches anything off,
// because scanners of mails follow links; POST with the body of RFC 8058 calls
// off, from a mail program or from the form, without cookies, login or
// redirect. name says for people what a type is about; empty: the type's name
// alone is shown. The token is the last segment of the path.
func Handler(signer *Signer, off func(ctx context.Context, user, typeName string) error, name func(typeName string) string) http.Handler {
	return &handler{signer: signer, off: off, name: name}
}

type handler struct {
	signer *Signer
	off    func(ctx context.Context, user, typeName string) error
	name   func(typeName string) string
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, typeName, err := h.signer.Verify(path.Base(r.URL.Path))
	if err != nil {
		show(w, http.StatusNotFound, page{Title: "This link does not work",
			Text: "It is damaged, or too old for this installation. Copy it from the mail once more, or stop the mails in your notification settings."})
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		show(w, http.StatusOK, page{Title: "Stop these mails?", Type: typeName, Name: h.name(typeName), Asks: true, User: user,
			Text: "Mails about other events still come, and so does everything that you get elsewhere."})
	case http.MethodPost:
		h.post(w, r, user, typeName)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		show(w, http.StatusMethodNotAllowed, page{Title: "This link takes GET and POST"})
	}
}

func (h *handler) post(w http.ResponseWriter, r *http.Request, user, typeName string) {
	if !saysOneClick(w, r) {
		show(w, http.StatusBadRequest, page{Title: "Nothing was changed",
			Text: "The request does not say " + HeaderPost + "."})
		return
	}
	if err := h.off(r.Context(), user, typeName); err != nil {
		w.Header().Set("Retry-After", "60") // RFC 9110 section 10.2.3, in seconds
		show(w, http.StatusServiceUnavailable, page{Title: "That did not work", Type: typeName, Name: h.name(typeName), Asks: true,
			Text: "Nothing was changed. Please try again in a minute."})
		return
	}
	show(w, http.StatusOK, page{Title: "These mails are off", Type: typeName, Name: h.name(typeName), User: user,
		Text: "One that is on its way may still arrive. You can switch them on again in your notification settings."})
}

// saysOneClick reads either of the two encodings that RFC 8058 section 3.1
// lets a mail program use.
func saysOneClick(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, longestBody)
	err := r.ParseMultipartForm(longestBody) //nolint:gosec // the line above bounds it
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return false
	}
	return r.PostForm.Get(field) == oneClick
}

type page struct {
	Title, Text string
	Type, Name  string
	Asks        bool // shows the button that posts
	User        string
}

// Style is the page's own, word for word, since its hash is in the policy.
func (p page) Style() template.CSS { return template.CSS(style) } //nolint:gosec // a file of ours

// Settings is where the person's settings are, seen from this page. Whoever
// holds the link of a mail does not get in by it: only a session does.
func (p page) Settings() string {
	if p.User == "" {
		return ""
	}
	return "../settings/" + url.PathEscape(p.User)
}

// What is what the mails are about.
func (p page) What() string { return cmp.Or(p.Name, p.Type) }

func show(w http.ResponseWriter, status int, p page) {
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		http.Error(w, p.Title, http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the path is a capability
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // the reader may have left
}
