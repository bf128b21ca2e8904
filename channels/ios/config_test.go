package ios

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

func TestOpenNamesTheVariable(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	good := configFor(t, server)
	nothing := filepath.Join(t.TempDir(), "nothing.pem")
	require.NoError(t, os.WriteFile(nothing, []byte("hunter2"), 0o600))
	for _, test := range []struct {
		change   func(*Config)
		variable string
	}{
		{func(c *Config) { c.KeyFile = "/nowhere" }, "TOCSIN_APNS_KEY_FILE"},
		{func(c *Config) { c.KeyFile = nothing }, "TOCSIN_APNS_KEY_FILE"},
		{func(c *Config) { c.KeyID = "" }, "TOCSIN_APNS_KEY_ID"},
		{func(c *Config) { c.KeyID = "short" }, "TOCSIN_APNS_KEY_ID"},
		{func(c *Config) { c.TeamID = "elevenchars" }, "TOCSIN_APNS_TEAM_ID"},
		{func(c *Config) { c.Topic = "" }, "TOCSIN_APNS_TOPIC"},
		{func(c *Config) { c.CertFile = nothing }, "TOCSIN_APNS_CERT_FILE"},
		{func(c *Config) { c.KeyFile, c.CertFile = "", nothing }, "TOCSIN_APNS_CERT_FILE"},
		{func(c *Config) { c.CAFile = nothing }, "TOCSIN_APNS_CA_FILE"},
		{func(c *Config) { c.CAFile = "/nowhere" }, "TOCSIN_APNS_CA_FILE"},
		{func(c *Config) { c.URL = "http://api.push.apple.com" }, "TOCSIN_APNS_URL"},
		{func(c *Config) { c.URL = "api.push.apple.com" }, "TOCSIN_APNS_URL"},
		{func(c *Config) { c.URL = "https://u:hunter2@api.push.apple.com" }, "TOCSIN_APNS_URL"},
		{func(c *Config) { c.URL = "https://api.push.apple.com/3/device" }, "TOCSIN_APNS_URL"},
	} {
		c := good
		test.change(&c)
		_, err := c.Open()
		require.ErrorContains(t, err, test.variable)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.True(t, good.Present())
	require.True(t, (&Config{CertFile: "x"}).Present())
	require.False(t, (&Config{Topic: "x", URL: "x"}).Present())
}

func TestServerByEnvironment(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	config := configFor(t, server)
	set := open(t, config)
	require.Equal(t, server.URL(), set.servers[production].client.Host)
	require.Same(t, set.servers[production], set.servers[sandbox], "one server, one pool of connections")

	config.URL = ""
	apples := open(t, config)
	require.Equal(t, "https://api.push.apple.com", apples.servers[production].client.Host)
	require.Equal(t, "https://api.sandbox.push.apple.com", apples.servers[sandbox].client.Host)
}

func TestDevicesGoToTheServerOfTheirEnvironment(t *testing.T) {
	t.Parallel()
	productive, log := startAPNs(t, farend.APNsOptions{})
	trying, tries := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, productive))
	c.servers[sandbox] = open(t, configFor(t, trying)).servers[sandbox]
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "2"), targetOf(deviceToken, "sandbox")))
	require.Equal(t, []string{delivery("job.fail", "1").ID()}, log.Deliveries())
	require.Equal(t, []string{delivery("job.fail", "2").ID()}, tries.Deliveries())
}
