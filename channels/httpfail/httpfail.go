// Package httpfail says what a failed HTTP exchange means for a delivery, in
// words that may be logged and shown: no URL, no header, no body.
package httpfail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"tocsin/channels"
)

// NoAnswer turns the error of an http.Client into a temporary failure. ctx is
// the caller's; timeout is what the channel itself allows an attempt. Of the
// cause only what holds no URL is kept, so that errors.Is finds
// context.Canceled (the caller stopped), context.DeadlineExceeded and system
// call errors.
func NoAnswer(ctx context.Context, err error, timeout time.Duration) error {
	return &channels.Failure{Kind: channels.Temporary, Unreached: true, Err: reasonOf(ctx, err, timeout)}
}

func reasonOf(ctx context.Context, err error, timeout time.Duration) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &reason{"stopped before an answer came", context.Canceled}
	case ctx.Err() != nil:
		return &reason{"no answer before the attempt's deadline", context.DeadlineExceeded}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dnsReason(dns)
	}
	if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
		return &reason{fmt.Sprintf("no answer within %s", timeout), context.DeadlineExceeded}
	}
	if system, ok := errors.AsType[syscall.Errno](err); ok {
		return &reason{system.Error(), system} // "connection refused", "no route to host"
	}
	return tlsReason(err)
}

func dnsReason(err *net.DNSError) error {
	if err.IsNotFound {
		return errors.New("host name not found")
	}
	return errors.New("host name lookup failed")
}

func tlsReason(err error) error {
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificateReason(refused.Err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && isTLSAlert(op) {
		return fmt.Errorf("TLS handshake failed: %w", op.Err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return errors.New("TLS handshake failed: the far end does not speak TLS")
	}
	return errors.New("connection ended without a valid HTTP answer")
}

// isTLSAlert knows an alert by its wrapping: crypto/tls exports no type for
// those of a TCP connection. Their texts are Go's own.
func isTLSAlert(op *net.OpError) bool { return op.Op == "remote error" || op.Op == "local error" }

// certificateReason leaves out what the certificate says, because its owner
// writes that.
func certificateReason(err error) error {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return errors.New("TLS certificate is for another host name")
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return errors.New("TLS certificate is signed by an unknown authority")
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return errors.New("TLS certificate has expired or is not yet valid")
	}
	return errors.New("TLS certificate not accepted")
}

// reason has the text for people and keeps the cause for errors.Is.
type reason struct {
	text  string
	cause error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.cause }
