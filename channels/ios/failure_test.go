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
	}{
		{400, "BadCollapseId", channels.Permanent, 0},
		{400, "BadDeviceToken", channels.Permanent, 0},
		{400, "BadExpirationDate", channels.Permanent, 0},
		{400, "BadMessageId", channels.Permanent, 0},
		{400, "BadPriority", channels.Permanent, 0},
		{400, "BadTopic", channels.Permanent, 0},
		{400, "DeviceTokenNotForTopic", channels.Permanent, 0},
		{400, "DuplicateHeaders", channels.Permanent, 0},
		{400, "IdleTimeout", channels.Temporary, 0},
		{400, "InvalidPushType", channels.Permanent, 0},
		{400, "MissingDeviceToken", channels.Permanent, 0},
		{400, "MissingTopic", channels.Permanent, 0},
		{400, "PayloadEmpty", channels.Permanent, 0},
		{400, "TopicDisallowed", channels.Permanent, 0},
		{403, "BadCertificate", channels.Temporary, 0},
		{403, "BadCertificateEnvironment", channels.Temporary, 0},
		{403, "ExpiredProviderToken", channels.Temporary, 5 * time.Second},
		{403, "Forbidden", channels.Temporary, 0},
		{403, "InvalidProviderToken", channels.Temporary, 0},
		{403, "MissingProviderToken", channels.Temporary, 0},
		{403, "UnrelatedKeyIdInToken", channels.Temporary, 0},
		{403, "BadEnvironmentKeyIdInToken", channels.Temporary, 0},
		{404, "BadPath", channels.Permanent, 0},
		{405, "MethodNotAllowed", channels.Permanent, 0},
		{410, "ExpiredToken", channels.Gone, 0},
		{410, "Unregistered", channels.Gone, 0},
		{413, "PayloadTooLarge", channels.Permanent, 0},
		{429, "TooManyProviderTokenUpdates", channels.Temporary, 0},
		{429, "TooManyRequests", channels.Temporary, 0},
		{500, "InternalServerError", channels.Temporary, 15 * time.Minute},
		{502, "Novelty", channels.Temporary, 0},
		{503, "ServiceUnavailable", channels.Temporary, 15 * time.Minute},
		{503, "Shutdown", channels.Temporary, 15 * time.Minute},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			server, _ := startAPNs(t, farend.APNsOptions{})
			answer := farend.APNsAnswer{Status: test.status, Reason: test.reason}
			if test.status == http.StatusGone {
				answer.Since = died
			}
			server.Answer(deviceToken, answer)
			c := open(t, configFor(t, server))
			err := c.Send(t.Context(), delivery("job.fail", "1"), target())
			failure := channels.FailureOf(err)
			require.Equal(t, test.kind, failure.Kind)
			require.Equal(t, fmt.Sprint(test.status, " ", test.reason), failure.Status)
			require.Equal(t, test.wait, failure.Wait)
			require.NotContains(t, err.Error(), deviceToken)
			if test.kind == channels.Gone {
				require.Equal(t, died.Truncate(time.Second), failure.Since.UTC())
			} else {
				require.Zero(t, failure.Since)
			}
			if test.status == http.StatusForbidden {
				require.ErrorContains(t, err, ": ", "says what to do")
			}
			require.NoError(t, c.Send(t.Context(), delivery("job.fail", "2"), target()))
			require.Equal(t, 1, server.Connections())
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

func TestExpiredProviderTokenIsRenewed(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	server.Answer(deviceToken, farend.APNsAnswer{Status: http.StatusForbidden, Reason: "ExpiredProviderToken"})
	c := open(t, configFor(t, server))
	fresh := c.bearer.provider.Bearer
	require.Error(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, fresh, c.bearer.provider.Bearer, "a young token is not replaced: Apple would refuse that too")

	old := time.Now().Add(-renewals).Unix()
	c.bearer.provider.IssuedAt = old
	c.bearer.renew()
	require.NotEqual(t, fresh, c.bearer.provider.Bearer)
	require.Greater(t, c.bearer.provider.IssuedAt, old)
	require.Len(t, received(log), 1)
}
