package dev

import (
	"cmp"
	"io"
	"net/http"
	"strconv"

	"tocsin/farend"
)

// mailPolicy shows a mail as a careful mail program does: its own styles, no
// scripts, forms or pictures from elsewhere, in an origin of its own. Links
// open in a new tab.
const mailPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; " +
	"style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"

// linksToNewTab is added at the end, because what stands before a doctype
// switches the browser to quirks mode. A base counts wherever it stands.
const linksToNewTab = `<base target="_blank">`

func (p *page) mail(w http.ResponseWriter, r *http.Request) {
	mail, ok := p.find(r.PathValue("seq"))
	if !ok || mail.Channel != "email" || !hasBody(mail) {
		http.Error(w, "There is no mail of this number.", http.StatusNotFound)
		return
	}
	kind, body := "text/plain", mail.Text
	if mail.HTML != "" {
		kind, body = "text/html", mail.HTML+linksToNewTab
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	_, _ = io.WriteString(w, body) // the caller may have gone
}

func (p *page) find(seq string) (farend.Received, bool) {
	n, err := strconv.Atoi(seq)
	if err != nil || n < 1 {
		return farend.Received{}, false
	}
	found, _ := p.log.Since(n - 1)
	if len(found) == 0 || found[0].Seq != n { // it is still to come, or forgotten
		return farend.Received{}, false
	}
	return found[0], true
}

// hasBody tells a mail from a recipient that was refused.
func hasBody(mail farend.Received) bool { return cmp.Or(mail.HTML, mail.Text) != "" }
