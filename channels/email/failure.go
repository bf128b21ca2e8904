package email

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"tocsin/channels"
)

// Replies of RFC 5321 section 4.2.3 and RFC 4954 section 6.
const (
	codeClosing      = 421
	codeAuthRequired = 530
	codeAuthTooWeak  = 534
	codeAuthFailed   = 535
)

// replyCode is what the server answered; 0 if it did not.
func replyCode(err error) int {
	if refusal, ok := errors.AsType[*gomail.SendError](err); ok {
		return refusal.ErrorCode()
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return reply.Code
	}
	return 0
}

// failedToConnect is temporary whatever the answer: no answer before MAIL is
// about this mail.
func (s server) failedToConnect(ctx context.Context, err error) error {
	failure := &channels.Failure{Err: s.interrupted(ctx, "connect to", err)}
	if code := replyCode(err); code != 0 {
		failure.Status = fmt.Sprint(code)
		failure.Err = fmt.Errorf("the mail server %s refuses the session with %d", s.host, code)
		if isAboutLogin(code) {
			failure.Err = fmt.Errorf("TOCSIN_SMTP_URL: the mail server %s refuses the login with %d", s.host, code)
		}
	}
	return failure
}

// failedToSend classifies by the reply code (RFC 5321 section 4.2.1). A
// refusal at MAIL is about the sender or the login and not about the
// recipient, so it is for the operator to mend, not for dead letters.
func (s server) failedToSend(ctx context.Context, err error, address string) error {
	refusal, ok := errors.AsType[*gomail.SendError](err)
	if !ok || refusal.ErrorCode() == 0 {
		return &channels.Failure{Err: s.interrupted(ctx, "send through", redacted(err, address))}
	}
	code := refusal.ErrorCode()
	failure := &channels.Failure{
		Status: strings.TrimSpace(fmt.Sprint(code, " ", refusal.EnhancedStatusCode())),
		Err:    fmt.Errorf("the mail server %s refuses: %w", s.host, redacted(err, address)),
	}
	switch {
	case isAboutLogin(code):
		failure.Err = fmt.Errorf("TOCSIN_SMTP_URL: the mail server %s wants a login: %d", s.host, code)
	case refusal.Reason == gomail.ErrSMTPMailFrom && code >= 500:
		failure.Err = fmt.Errorf("TOCSIN_SMTP_FROM: %w", failure.Err)
	case code >= 500:
		failure.Kind = channels.Permanent
	}
	return failure
}

// interrupted says why there was no answer: the end of ctx, if that is why the
// connection was closed.
func (s server) interrupted(ctx context.Context, what string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s the mail server %s: %w", what, s.host, err)
}

func isAboutLogin(code int) bool {
	return code == codeAuthRequired || code == codeAuthTooWeak || code == codeAuthFailed
}

var addressPattern = regexp.MustCompile(`[^\s<>]*(@|%40|[+=]40)[^\s<>]*`)

const longestReply = 200

// redacted is what err says without addresses: servers like to repeat them,
// whole or only the part before the @. It does not wrap err, which has them.
func redacted(err error, address string) error {
	text, _, _ := strings.Cut(err.Error(), ", affected ") // the library's list of recipients
	text = unquoted(text)
	text = addressPattern.ReplaceAllString(text, "[address]")
	if local, _, found := strings.Cut(address, "@"); found {
		text = regexp.MustCompile(`(?i)(^|\W)`+regexp.QuoteMeta(local)+`(\W|$)`).ReplaceAllString(text, "${1}[address]${2}")
	}
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longestReply {
		text = string(runes[:longestReply]) + "…"
	}
	return errors.New(text)
}

// unquoted opens the quotes that net/textproto puts around what a server said.
func unquoted(text string) string {
	start := strings.IndexByte(text, '"')
	if start < 0 {
		return text
	}
	said, err := strconv.Unquote(text[start:])
	if err != nil {
		return text
	}
	return text[:start] + said
}
