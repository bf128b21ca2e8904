package pages

import (
	"errors"
	"net/http"
)

// guard is around every handler.
func (p *Pages) guard(next http.HandlerFunc) http.Handler {
	return p.site.Guard(next, func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, problem{http.StatusForbidden, "Another site sent this", "Nothing was changed. Use your settings page itself."})
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
