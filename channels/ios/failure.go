package ios

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sideshow/apns2"

	"tocsin/channels"
)

const (
	// troubleWait is what Apple asks for after its own errors ("Handling
	// notification responses from APNs").
	troubleWait = 15 * time.Minute

	// renewedWait lets attempts that are under way with the old provider token end.
	renewedWait = 5 * time.Second
)

// advice goes with the reasons that an operator can do something about.
var advice = map[string]string{
	apns2.ReasonBadDeviceToken:            "the device token is wrong, or of the other environment",
	apns2.ReasonDeviceTokenNotForTopic:    "the device token belongs to another app than TOCSIN_APNS_TOPIC",
	apns2.ReasonTopicDisallowed:           "the credentials are not for the app of TOCSIN_APNS_TOPIC",
	apns2.ReasonBadTopic:                  "check TOCSIN_APNS_TOPIC",
	apns2.ReasonMissingTopic:              "check TOCSIN_APNS_TOPIC",
	apns2.ReasonBadCertificate:            "check TOCSIN_APNS_CERT_FILE",
	apns2.ReasonBadCertificateEnvironment: "TOCSIN_APNS_CERT_FILE is for the other environment",
	apns2.ReasonExpiredProviderToken:      "the provider token was too old; check the clock of this machine if this goes on",
	apns2.ReasonInvalidProviderToken:      "check TOCSIN_APNS_KEY_FILE, TOCSIN_APNS_KEY_ID and TOCSIN_APNS_TEAM_ID",
	apns2.ReasonMissingProviderToken:      "check TOCSIN_APNS_KEY_FILE or TOCSIN_APNS_CERT_FILE",
	apns2.ReasonForbidden:                 "check TOCSIN_APNS_KEY_FILE and TOCSIN_APNS_TOPIC",
	"UnrelatedKeyIdInToken":               "TOCSIN_APNS_KEY_ID is not for the app of TOCSIN_APNS_TOPIC",
	"BadEnvironmentKeyIdInToken":          "TOCSIN_APNS_KEY_ID is for the other environment",
}

// failureOf classifies an answer by Apple's table of reasons. What is wrong
// with the credentials is temporary, since the same push works once that is
// mended. BadDeviceToken is not Gone: many at a time mean that the
// installation has the wrong environment, and then no device may be dropped.
func failureOf(answer *apns2.Response, asked time.Time) *channels.Failure {
	status := strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", oneWord(answer.Reason)))
	failure := &channels.Failure{Status: status, Err: fmt.Errorf("APNs answers %s", status)}
	if hint := advice[answer.Reason]; hint != "" {
		failure.Err = fmt.Errorf("APNs answers %s: %s", status, hint)
	}
	switch {
	case answer.Reason == "": // not from Apple: a proxy, say
	case answer.Reason == apns2.ReasonIdleTimeout: // of the connection; not about this push
	case answer.Reason == apns2.ReasonExpiredProviderToken:
		failure.Wait = renewedWait
	case answer.StatusCode == http.StatusGone:
		failure.Kind, failure.Since = channels.Gone, asked
		if !answer.Timestamp.IsZero() {
			failure.Since = answer.Timestamp.Time
		}
	case answer.StatusCode == http.StatusInternalServerError, answer.StatusCode == http.StatusServiceUnavailable:
		failure.Wait = troubleWait
	default:
		failure.Kind = kinds[answer.StatusCode]
	}
	return failure
}

// kinds is what remains to say by status: these blame the push itself. Others
// are temporary, 403 and 429 among them.
var kinds = map[int]channels.Kind{
	http.StatusBadRequest:            channels.Permanent,
	http.StatusNotFound:              channels.Permanent,
	http.StatusMethodNotAllowed:      channels.Permanent,
	http.StatusRequestEntityTooLarge: channels.Permanent,
}

// oneWord keeps a reason from being anything but one of Apple's.
func oneWord(reason string) string {
	if len(reason) > 64 || strings.ContainsFunc(reason, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' }) {
		return "(unknown reason)"
	}
	return reason
}
