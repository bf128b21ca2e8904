package ios

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sideshow/apns2"

	"tocsin/channels"
)

// failureOf classifies an answer; asked is when the push was sent.
func failureOf(answer *apns2.Response, asked time.Time) *channels.Failure {
	v, known := verdicts[answer.Reason]
	if !known && answer.Reason != "" { // empty: not from Apple, but a proxy's, say
		v = byStatus[answer.StatusCode]
	}
	failure := v.failure(fmt.Sprint(answer.StatusCode), answer.Reason)
	if v.kind == channels.Gone {
		failure.Since = asked
		if !answer.Timestamp.IsZero() {
			failure.Since = answer.Timestamp.Add(truncated)
		}
	}
	return failure
}

// truncated is what the library may have cut off Apple's moment, which is in
// milliseconds: a device that was saved in that same second is the dead one.
const truncated = time.Second

// failureOfGoAway classifies what Apple says as it closes a connection.
func failureOfGoAway(reason string) *channels.Failure {
	v := verdicts[reason]
	if v.kind != channels.Misconfigured {
		v = verdict{wait: resendWait} // it is about the connection, not about any push
	}
	return v.failure("GOAWAY", reason)
}

func (v verdict) failure(status, reason string) *channels.Failure {
	status = strings.TrimSpace(status + " " + oneWord(reason))
	failure := &channels.Failure{Kind: v.kind, Status: status, Wait: v.wait, Err: fmt.Errorf("APNs answers %s", status)}
	if v.advice != "" {
		failure.Err = fmt.Errorf("APNs answers %s: %s", status, v.advice)
	}
	return failure
}

// oneWord keeps a reason from being anything but one of Apple's.
func oneWord(reason string) string {
	if len(reason) > 64 || strings.ContainsFunc(reason, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' }) {
		return "(unknown reason)"
	}
	return reason
}

// failureOfDial blames the installation if the server is there and is not to
// be trusted, and asks for the time until the next connection is tried.
func failureOfDial(address string, wait time.Duration, cause error) *channels.Failure {
	failure := &channels.Failure{Wait: wait, Err: fmt.Errorf("connect to %s: %w", address, cause)}
	if said, ok := errors.AsType[*channels.Failure](cause); ok {
		failure.Kind, failure.Status = said.Kind, said.Status
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](cause); untrusted {
		failure.Kind = channels.Misconfigured
		failure.Err = fmt.Errorf("connect to %s: check TOCSIN_APNS_URL and TOCSIN_APNS_CA_FILE: %w", address, cause)
	}
	return failure
}

// withoutURL drops the URL, which holds the device token.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
