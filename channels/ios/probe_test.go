package ios

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

func TestProbeSaysWhetherAppleTakesOurPushes(t *testing.T) {
	t.Parallel()
	for reason, says := range map[string]string{
		"BadDeviceToken":             "",
		"DeviceTokenNotForTopic":     "",
		"TopicDisallowed":            "TOCSIN_APNS_TOPIC",
		"BadEnvironmentKeyIdInToken": "is for the other environment",
		"InvalidProviderToken":       "TOCSIN_APNS_KEY_ID",
	} {
		server, _ := startAPNs(t, farend.APNsOptions{})
		server.Answer("0000000000000000000000000000000000000000000000000000000000000000", farend.APNsAnswer{Status: 403, Reason: reason})
		err := open(t, configFor(t, server)).Probe(t.Context())
		if says == "" {
			require.NoError(t, err, reason)
			continue
		}
		require.ErrorContains(t, err, says, reason)
	}
}

func TestProbeSaysThatTheAppIsAnother(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	config := configFor(t, server)
	config.Topic = "com.example.another"
	require.ErrorContains(t, open(t, config).Probe(t.Context()), "TOCSIN_APNS_TOPIC")
}
