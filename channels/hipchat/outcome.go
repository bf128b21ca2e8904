package hipchat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/channels/httpfail"
)

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// outcome is what an answer means.
//
// A token or a room that HipChat does not know any more ends the target, and
// its owner is told. That takes HipChat's own word: a base URL that leads
// elsewhere answers 401 and 404 as well, and is the operator's fault.
func outcome(s Settings, a answer, began time.Time) error {
	if a.sent(s) {
		return nil
	}
	f := httpfail.Answer("HipChat", a.status, a.header)
	switch {
	case a.status/100 == 2:
		f.Kind, f.Err = channels.Temporary, errors.New("the answer is not one of a HipChat server")
	case a.status == http.StatusForbidden && a.rateLimited():
		f.Kind, f.Err = channels.Temporary, errors.New("HipChat's rate limit is reached")
	case a.fromElsewhere():
		f.Kind, f.Err = channels.Misconfigured, fmt.Errorf("TOCSIN_HIPCHAT_URL does not lead to the API of a HipChat server: it answered %d", a.status)
	case a.status == http.StatusUnauthorized:
		f.Kind, f.Since, f.Err = channels.Gone, began, errors.New("HipChat does not know the API token")
	case a.status == http.StatusNotFound:
		f.Kind, f.Since, f.Err = channels.Gone, began, errors.New("HipChat does not know the room")
	}
	if f.Kind == channels.Temporary {
		f.Wait = max(f.Wait, untilReset(a.header, time.Now()))
	}
	return f
}

func (a answer) sent(s Settings) bool {
	if s.APIVersion == "2" {
		return a.status == http.StatusNoContent
	}
	var said struct {
		Status string `json:"status"`
	}
	return a.status == http.StatusOK && json.Unmarshal(a.body, &said) == nil && said.Status == "sent"
}

// rateLimited tells the two meanings of 403 apart: API v1 says so that a token
// has made too many requests (hipchat.com/docs/api/rate_limiting), and that it
// may not send.
func (a answer) rateLimited() bool {
	return a.header.Get("X-RateLimit-Remaining") == "0" || strings.Contains(strings.ToLower(string(a.body)), "rate limit")
}

// fromElsewhere knows the answers of a path that is not the API's. HipChat's own
// have its error envelope with the status in it, and name a method that it does
// not have.
func (a answer) fromElsewhere() bool {
	switch a.status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed:
	default:
		return a.status/100 == 3
	}
	var envelope struct {
		Error struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	return json.Unmarshal(a.body, &envelope) != nil || envelope.Error.Code != a.status ||
		strings.Contains(strings.ToLower(envelope.Error.Message), "method")
}
