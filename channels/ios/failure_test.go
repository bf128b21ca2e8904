package ios

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	died := time.Date(2025, 7, 7, 8, 9, 10, 987e6, time.UTC)
	for _, test := range []struct {
		status int
		reason string
		kind   channels.Kind
		wait   time.Duration
		says   string
	}{
		{400, "BadCollapseId", channels.Permanent, 0, "defect"},
		{400, "BadExpirationDate", channels.Permanent, 0, "defect"},
		{400, "BadMessageId", channels.Permanent, 0, "defect"},
		{400, "BadPriority", channels.Permanent, 0, "defect"},
		{400, "DuplicateHeaders", channels.Permanent, 0, "defect"},
		{400, "InvalidPushType", channels.Permanent, 0, "defect"},
		{400, "MissingDeviceToken", channels.Permanent, 0, "defect"},
		{400, "MissingTopic", channels.Permanent, 0, "defect"},
		{400, "PayloadEmpty", channels.Permanent, 0, "defect"},
		{400, "BadDeviceToken", channels.Permanent, 0, "device token"},
		{400, "DeviceTokenNotForTopic", channels.Permanent, 0, "TOCSIN_APNS_TOPIC"},
		{400, "BadTopic", channels.Misconfigured, pause, "TOCSIN_APNS_TOPIC"},
		{400, "TopicDisallowed", channels.Misconfigured, pause, "TOCSIN_APNS_TOPIC"},
		{400, "IdleTimeout", channels.Temporary, time.Second, ""},
		{400, "Novelty", channels.Permanent, 0, ""},
		{403, "BadCertificate", channels.Misconfigured, pause, "TOCSIN_APNS_CERT_FILE"},
		{403, "BadCertificateEnvironment", channels.Misconfigured, pause, "TOCSIN_APNS_CERT_FILE"},
		{403, "ExpiredProviderToken", channels.Misconfigured, pause, "clock"},
		{403, "Forbidden", channels.Misconfigured, pause, "TOCSIN_APNS_KEY_FILE"},
		{403, "InvalidProviderToken", channels.Misconfigured, pause, "TOCSIN_APNS_KEY_ID"},
		{403, "MissingProviderToken", channels.Misconfigured, pause, "TOCSIN_APNS_KEY_FILE"},
		{403, "UnrelatedKeyIdInToken", channels.Misconfigured, pause, "TOCSIN_APNS_KEY_ID"},
		{403, "BadEnvironmentKeyIdInToken", channels.Misconfigured, pause, "TOCSIN_APNS_URL"},
		{403, "Novelty", channels.Misconfigured, pause, "TOCSIN_APNS_KEY_FILE"},
		{404, "BadPath", channels.Permanent, 0, "defect"},
		{405, "MethodNotAllowed", channels.Permanent, 0, "defect"},
		{410, "ExpiredToken", channels.Gone, 0, "another token"},
		{410, "Unregistered", channels.Gone, 0, "removed"},
		{410, "Novelty", channels.Gone, 0, ""},
		{429, "TooManyProviderTokenUpdates", channels.Temporary, 5 * time.Minute, "TOCSIN_APNS_KEY_ID"},
		{429, "TooManyRequests", channels.Temporary, time.Minute, ""},
		{429, "Novelty", channels.Temporary, time.Minute, ""},
		{500, "InternalServerError", channels.Temporary, 15 * time.Minute, ""},
		{500, "Novelty", channels.Temporary, 15 * time.Minute, ""},
		{502, "Novelty", channels.Temporary, 0, ""},
		{503, "ServiceUnavailable", channels.Temporary, 15 * time.Minute, ""},
		{503, "Shutdown", channels.Temporary, 15 * time.Minute, ""},
	} {
		t.Run(fmt.Sprint(test.status, test.reason), func(t *testing.T) {
			t.Parallel()
			server, log := startAPNs(t, farend.APNsOptions{})
			answer := farend.APNsAnswer{Status: test.status, Reason: test.reason}
			if test.status == http.StatusGone {
				answer.Since = died
			}
			c := open(t, configFor(t, server))
			provide(t, c, func(b *bearer) provider { return onlyProvider{b} })
			require.NoError(t, c.Send(t.Context(), delivery("job.fail", "0"), target()))
			server.Answer(deviceToken, answer)
			err := c.Send(t.Context(), delivery("job.fail", "1"), target())
			failure := channels.FailureOf(err)
			require.Equal(t, test.kind, failure.Kind)
			require.Equal(t, fmt.Sprint(test.status, " ", test.reason), failure.Status)
			require.Equal(t, test.wait, failure.Wait)
			require.NotContains(t, err.Error(), deviceToken)
			require.ErrorContains(t, err, test.says)
			if test.kind == channels.Gone {
				require.Equal(t, died.Truncate(time.Second).Add(time.Second), failure.Since.UTC())
			} else {
				require.Zero(t, failure.Since)
			}
			next := c.Send(t.Context(), delivery("job.fail", "2"), target())
			if test.kind == channels.Misconfigured {
				require.Equal(t, channels.Misconfigured, channels.FailureOf(next).Kind)
				require.Len(t, received(log), 2, "Apple is left alone")
			} else {
				require.NoError(t, next)
			}
		})
	}
}

func TestAnswersThatAreNotApples(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{
		"<html>Bad Gateway " + deviceToken + "</html>":    http.StatusBadGateway,
		strings.Repeat("x", 1<<20):                        http.StatusServiceUnavailable,
		`{"reason":"` + strings.Repeat("x", 1<<20) + `"}`: http.StatusInternalServerError,
		`{"reason":17}`: http.StatusBadRequest,
		`{"reason":"` + deviceToken + ` ` + "\\r\\n" + ` is unknown"}`: http.StatusBadGateway,
	} {
		server, _ := startAPNs(t, farend.APNsOptions{})
		server.Answer(deviceToken, farend.APNsAnswer{Status: status, Body: body})
		err := open(t, configFor(t, server)).Send(t.Context(), delivery("job.fail", "1"), target())
		require.Equal(t, channels.Temporary, channels.FailureOf(err).Kind, err)
		require.NotContains(t, err.Error(), deviceToken)
		require.Less(t, len(err.Error()), 300)
	}
}

func TestGoneWithoutTimestamp(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	server.Answer(deviceToken, farend.APNsAnswer{Status: http.StatusGone, Reason: "Unregistered"})
	before := time.Now()
	failure := channels.FailureOf(open(t, configFor(t, server)).Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, channels.Gone, failure.Kind)
	require.WithinRange(t, failure.Since, before, time.Now())
}
