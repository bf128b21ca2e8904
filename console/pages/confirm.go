package pages

import (
	"errors"
	"net/http"

	"tocsin/console/links"
	"tocsin/prefs"
)

// confirmView asks before an address is used, because scanners of mails follow
// links.
type confirmView struct {
	layout
	Address string
}

func (p *Pages) askToConfirm(w http.ResponseWriter, r *http.Request) {
	if claim, ok := p.openConfirm(w, r); ok {
		p.show(w, http.StatusOK, "confirm.html", confirmView{layout{Title: "Send notifications here?", Prefix: p.site.Prefix}, claim.Address})
	}
}

func (p *Pages) confirm(w http.ResponseWriter, r *http.Request) {
	claim, ok := p.openConfirm(w, r)
	if !ok {
		return
	}
	err := p.Channels.ConfirmEmail(r.Context(), claim.User, claim.Address)
	switch {
	case errors.Is(err, prefs.ErrNoPending), errors.Is(err, prefs.ErrNoUser), errors.Is(err, prefs.ErrChanged):
		p.fail(w, r, problem{http.StatusGone, "Nothing was changed", "Another address was chosen since, or the mail is too old."})
	case err != nil:
		p.unavailable(w, r, err)
	default:
		p.fail(w, r, problem{http.StatusOK, "The address is confirmed", "Notifications by email come to " + claim.Address + " from now on. You can close this page."})
	}
}

func (p *Pages) openConfirm(w http.ResponseWriter, r *http.Request) (links.Claim, bool) {
	claim, err := p.Links.OpenConfirm(r.PathValue("token"))
	switch {
	case errors.Is(err, links.ErrExpired):
		p.fail(w, r, problem{http.StatusGone, "This link has expired", "Save the address in your notification settings once more, and a new mail is sent."})
	case err != nil:
		p.fail(w, r, problem{http.StatusForbidden, "This link does not work", "It is damaged, or not one of ours. Copy it from the mail once more."})
	}
	return claim, err == nil
}
