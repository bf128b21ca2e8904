package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"tocsin/channels"
)

// Replies of RFC 5321 section 4.2.3 and RFC 4954 section 6.
const (
	codeClosing      = 421
	codeAuthRequired = 530
	codeAuthTooWeak  = 534
	codeAuthFailed   = 535
	codeAuthNeedsTLS = 538
	codeTooLarge     = 552
)

// Enhanced status codes (RFC 3463, RFC 7372) whose meaning goes beyond that of
// the step at which they come.
var (
	noSuchMailbox = []string{"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.2.1"}
	badSender     = []string{"5.1.7", "5.1.8", "5.7.20", "5.7.21", "5.7.22", "5.7.23", "5.7.24", "5.7.25", "5.7.26"}
	badLogin      = []string{"5.7.8", "5.7.9", "5.7.11"}
)

// cause is what a refusal is about.
type cause int

const (
	thisMoment cause = iota
	thisMail
	theAddress
	theSender
	theLogin
	theRelay
)

// causeOf reads a refusal. All of 4xx is about the moment (RFC 5321 section
// 4.2.1). At MAIL nothing is known of the mail but its sender. At RCPT policy
// (5.7) is about what we may relay; some servers say so in words alone.
func causeOf(r *refusal) cause {
	enhanced := r.enhanced()
	switch {
	case r.code < 500 || r.step == stepReset:
		return thisMoment
	case isAboutLogin(r.code) || slices.Contains(badLogin, enhanced):
		return theLogin
	case slices.Contains(badSender, enhanced):
		return theSender
	case r.step == stepSender && r.code != codeTooLarge:
		return theSender
	case slices.Contains(noSuchMailbox, enhanced):
		return theAddress
	case r.step == stepRecipient && strings.HasPrefix(enhanced, "5.7."):
		return theRelay
	case r.step == stepRecipient && enhanced == "" && strings.Contains(strings.ToLower(r.text), "relay"):
		return theRelay
	}
	return thisMail
}

func isAboutLogin(code int) bool {
	return slices.Contains([]int{codeAuthRequired, codeAuthTooWeak, codeAuthFailed, codeAuthNeedsTLS}, code)
}

// failure says what err means for the next attempt.
func (s server) failure(ctx context.Context, err error, address string, started time.Time) *channels.Failure {
	if refused, ok := refusalIn(err); ok {
		return s.refused(refused, address, started)
	}
	if ended := context.Cause(ctx); ended != nil {
		if errors.Is(err, errSessionsInUse) {
			ended = err
		}
		return &channels.Failure{Err: fmt.Errorf("send through the mail server %s: %w", s.host, ended)}
	}
	if opening, ok := errors.AsType[*unopened](err); ok {
		return s.unopened(opening.err)
	}
	failure := &channels.Failure{Err: fmt.Errorf("send through the mail server %s: %w", s.host, redacted(err.Error(), address, s.secrets()...))}
	if errors.Is(err, errNeedsUTF8) {
		failure.Kind = channels.Permanent
	}
	return failure
}

func refusalIn(err error) (*refusal, bool) { return errors.AsType[*refusal](err) }

func (s server) refused(r *refusal, address string, started time.Time) *channels.Failure {
	said := redacted(r.String(), address, s.secrets()...)
	failure := &channels.Failure{
		Status: r.status(),
		Err:    fmt.Errorf("the mail server %s refuses at %s: %w", s.host, r.step, said),
	}
	switch causeOf(r) {
	case thisMail:
		failure.Kind = channels.Permanent
	case theAddress:
		failure.Kind, failure.Since = channels.Gone, started
		failure.Err = fmt.Errorf("mail to this address bounces: %s", r.status())
	case theSender:
		failure.Kind = channels.Misconfigured
		failure.Err = fmt.Errorf("TOCSIN_SMTP_FROM: the mail server %s refuses the sender: %w", s.host, said)
	case theLogin:
		failure.Kind = channels.Misconfigured
		failure.Err = fmt.Errorf("TOCSIN_SMTP_URL: the mail server %s wants another login: %s", s.host, r.status())
	case theRelay:
		failure.Kind = channels.Misconfigured
		failure.Err = fmt.Errorf("TOCSIN_SMTP_URL: the mail server %s does not relay for us: %w", s.host, said)
	}
	return failure
}

// unopened is why there is no session; the server knows of no mail yet.
type unopened struct{ err error }

func (u *unopened) Error() string { return u.err.Error() }
func (u *unopened) Unwrap() error { return u.err }

// unopened blames the installation for what the server, its certificate or its
// offers rule out, and the moment for all else. What the server says at login
// is not repeated: it may hold the user's name.
func (s server) unopened(err error) *channels.Failure {
	failure := &channels.Failure{Err: fmt.Errorf("connect to the mail server %s: %w", s.host, redacted(err.Error(), "", s.secrets()...))}
	said, answered := errors.AsType[*textproto.Error](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case answered:
		failure.Status = reply{said.Code, said.Msg}.status()
		failure.Err = fmt.Errorf("the mail server %s refuses the session: %s", s.host, failure.Status)
		if isAboutLogin(said.Code) {
			failure.Err = fmt.Errorf("the mail server %s refuses the login: %s", s.host, failure.Status)
		}
	case untrusted:
		failure.Err = fmt.Errorf("%w (TOCSIN_SMTP_CA_FILE names an authority to trust)", failure.Err)
	}
	if answered && said.Code >= 500 || untrusted || errors.Is(err, errLogin) || lacksTLS(err) {
		failure.Kind = channels.Misconfigured
		failure.Err = fmt.Errorf("TOCSIN_SMTP_URL: %w", failure.Err)
	}
	return failure
}

// lacksTLS knows the library's error by its words; it has no type of its own.
func lacksTLS(err error) bool { return strings.Contains(err.Error(), "does not support STARTTLS") }
