package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"tocsin/audit"
	"tocsin/console/targets"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/replay"
)

// problemOf is a problem (RFC 9457) whose type is its status.
func problemOf(status int, detail string, faults ...*huma.ErrorDetail) *huma.ErrorModel {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail, Errors: faults}
}

// fault names the field that is wrong, and why.
func fault(location, why string) *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: location, Message: why}
}

func invalid(faults ...*huma.ErrorDetail) error {
	return problemOf(http.StatusUnprocessableEntity, "the request is understood, and cannot be as it is", faults...)
}

// answer writes a problem outside of a call.
func answer(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // whoever has left hears nothing
}

// withoutValues takes out of a problem what was sent: it may be a credential in
// the wrong place.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*huma.ErrorModel); ok {
		clean := *p
		clean.Errors = nil
		for _, e := range p.Errors {
			clean.Errors = append(clean.Errors, fault(e.Location, e.Message))
		}
		return &clean, nil
	}
	return v, nil
}

// plain are the errors that need no more than a status and a sentence.
var plain = []struct {
	err    error
	status int
	detail string
}{
	{prefs.ErrNoUser, http.StatusNotFound, "there is no such user: PUT /v1/users/{user} makes one"},
	{prefs.ErrNoTarget, http.StatusNotFound, "the user has not set this up"},
	{targets.ErrNoChannel, http.StatusNotFound, "this installation does not offer this channel"},
	{targets.ErrNoField, http.StatusNotFound, "the channel has nothing of this name to renew"},
	{prefs.ErrTooManyTargets, http.StatusConflict, "the user has as many channels and devices as one user can have"},
	{prefs.ErrChanged, http.StatusPreconditionFailed, "somebody has changed it since: read it again"},
	{queue.ErrNoLetter, http.StatusNotFound, "there is no such dead letter, or not any more"},
	{queue.ErrNoJob, http.StatusNotFound, "there is no such replay, or not any more"},
	{audit.ErrUnrecorded, http.StatusServiceUnavailable, "it could not be recorded in the audit stream, and so was not done"},
	{replay.ErrNothing, http.StatusUnprocessableEntity, "no dead letter matches the filter"},
	{replay.ErrNoEvents, http.StatusUnprocessableEntity, "no event matches the filter"},
	{queue.ErrNoEvent, http.StatusNotFound, "there is no such event, or not any more"},
	{replay.ErrNotBegun, http.StatusConflict, "the replay has not begun: start it"},
	{replay.ErrNoPlan, http.StatusConflict, "the replay is still being planned: wait until it is"},
	{replay.ErrEnded, http.StatusConflict, "the replay has ended: plan another one"},
	{prefs.ErrSealed, http.StatusServiceUnavailable, "the saved settings were encrypted with a key that is not in TOCSIN_SECRETS_KEY: the operator has to bring it back"},
}

// problem is what a caller is told of an error. What it cannot help is logged.
func (a *API) problem(ctx context.Context, err error) error {
	if p := known(err); p != nil {
		return p
	}
	switch {
	case ctx.Err() != nil:
		return problemOf(http.StatusServiceUnavailable, "the request was given up")
	case prefs.Unavailable(err), queue.Unavailable(err):
		a.Log.Warn("a part of the installation is away", zap.Error(err))
		return retryLater(problemOf(http.StatusServiceUnavailable, "a part of this installation is away; the same request succeeds once it is back"), 5*time.Second)
	}
	for _, p := range plain {
		if errors.Is(err, p.err) {
			if p.status >= http.StatusInternalServerError {
				a.Log.Error("request failed", zap.Error(err))
			}
			return problemOf(p.status, p.detail)
		}
	}
	a.Log.Error("request failed", zap.Error(err))
	return problemOf(http.StatusInternalServerError, "something went wrong here; the log of the installation says what")
}

// known is the problem of an error that tells by itself what is wrong.
func known(err error) error {
	if _, already := errors.AsType[huma.StatusError](err); already {
		return unwrapped(err)
	}
	if i, ok := errors.AsType[*targets.Invalid](err); ok {
		return invalid(fault(strings.TrimSuffix("body."+i.Field, "."), i.Reason))
	}
	if t, ok := errors.AsType[*targets.TooOften](err); ok {
		return retryLater(problemOf(http.StatusTooManyRequests, t.Error()), t.Wait)
	}
	switch {
	case errors.Is(err, targets.ErrNotHere):
		return problemOf(http.StatusNotImplemented, why(err))
	case errors.Is(err, targets.ErrMail):
		return retryLater(problemOf(http.StatusServiceUnavailable, why(err)), time.Minute)
	}
	return nil
}

// unwrapped is the problem itself, with its headers: what wraps it is for the log.
func unwrapped(err error) error {
	if h, ok := errors.AsType[huma.HeadersError](err); ok {
		return h
	}
	p, _ := errors.AsType[huma.StatusError](err)
	return p
}

// why is the text behind the call's name.
func why(err error) string {
	_, why, _ := strings.Cut(err.Error(), ": ")
	return why
}

func retryLater(p *huma.ErrorModel, wait time.Duration) error {
	header := http.Header{}
	setRetryAfter(header, wait)
	return huma.ErrorWithHeaders(p, header)
}

// setRetryAfter rounds up: RFC 9110 section 10.2.3 knows whole seconds.
func setRetryAfter(h http.Header, wait time.Duration) {
	h.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
}
