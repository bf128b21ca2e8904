package email

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	gomail "github.com/wneessen/go-mail"

	"tocsin/channels"
	"tocsin/farend"
)

func TestServerOfURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]server{
		"smtp://mail.example.com":                      {host: "mail.example.com", port: 587, starttls: gomail.TLSMandatory},
		"smtp://u:p%40ss@mail.example.com:2525":        {host: "mail.example.com", port: 2525, starttls: gomail.TLSMandatory, username: "u", password: "p@ss"},
		"smtp://mail.example.com:25?tls=none":          {host: "mail.example.com", port: 25, starttls: gomail.NoTLS},
		"smtp://mail.example.com:25?tls=opportunistic": {host: "mail.example.com", port: 25, starttls: gomail.TLSOpportunistic},
		"smtps://u:p@mail.example.com":                 {host: "mail.example.com", port: 465, starttls: gomail.NoTLS, implicit: true, username: "u", password: "p"},
		"smtp://localhost:1025":                        {host: "localhost", port: 1025, starttls: gomail.TLSOpportunistic},
		"smtp://127.0.0.1:1025?tls=required":           {host: "127.0.0.1", port: 1025, starttls: gomail.TLSMandatory},
		"smtp://[::1]:1025":                            {host: "::1", port: 1025, starttls: gomail.TLSOpportunistic},
	} {
		got, err := parseServer(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want.starttls == gomail.TLSOpportunistic, got.tls.InsecureSkipVerify, raw)
		got.tls = nil
		require.Equal(t, want, got, raw)
	}
}

func TestOpenNamesTheVariable(t *testing.T) {
	t.Parallel()
	notAKey := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(notAKey, []byte("hunter2"), 0o600))
	good := Config{URL: "smtp://mail.example.com", From: "notify@example.com"}
	for _, test := range []struct {
		change   func(*Config)
		variable string
	}{
		{func(c *Config) { c.URL = "mail.example.com:25" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.URL = "http://mail.example.com" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.URL = "smtp://u:hunter2@mail example.com" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.URL = "smtp://:25" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.URL = "smtp://mail.example.com:99999" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.URL = "smtp://mail.example.com?tls=perhaps" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.URL = "smtps://mail.example.com?tls=none" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.URL = "smtp://u:hunter2@mail.example.com?tls=none" }, "TOCSIN_SMTP_URL"},
		{func(c *Config) { c.From = "" }, "TOCSIN_SMTP_FROM"},
		{func(c *Config) { c.From = "notify" }, "TOCSIN_SMTP_FROM"},
		{func(c *Config) { c.CAFile = "/nowhere" }, "TOCSIN_SMTP_CA_FILE"},
		{func(c *Config) { c.CAFile = notAKey }, "TOCSIN_SMTP_CA_FILE"},
		{func(c *Config) { c.PublicURL = "https://tocsin.example.com" }, "TOCSIN_LINK_KEY: missing"},
		{func(c *Config) { c.LinkKey = linkKey }, "TOCSIN_PUBLIC_URL: missing"},
		{func(c *Config) { c.LinkKey, c.PublicURL = "aHVudGVyMg==", "https://tocsin.example.com" }, "TOCSIN_LINK_KEY: key 1 has 7 bytes"},
		{func(c *Config) { c.LinkKey, c.PublicURL = linkKey, "tocsin.example.com" }, "TOCSIN_PUBLIC_URL"},
		{func(c *Config) { c.LinkKey, c.PublicURL = linkKey, "http://tocsin.example.com" }, "TOCSIN_PUBLIC_URL: must begin with https"},
		{func(c *Config) { c.LinkKey, c.PublicURL = linkKey, "https://u:hunter2@tocsin.example.com" }, "TOCSIN_PUBLIC_URL"},
		{func(c *Config) { c.LinkKey, c.PublicURL = linkKey, "https://tocsin.example.com/?a=b" }, "TOCSIN_PUBLIC_URL"},
		{func(c *Config) { c.LinkKey, c.PublicURL = linkKey, "https://böjar.example.com" }, "TOCSIN_PUBLIC_URL"},
		{func(c *Config) { c.LinkKey, c.PublicURL = linkKey, "https://tocsin.example.com/>\r\nBcc: x" }, "TOCSIN_PUBLIC_URL"},
		{func(c *Config) { c.DKIMDomain = "example.com" }, "TOCSIN_DKIM_"},
		{func(c *Config) { c.DKIMDomain, c.DKIMSelector, c.DKIMKeyFile = "example.com", "s1", "/nowhere" }, "TOCSIN_DKIM_KEY_FILE"},
		{func(c *Config) { c.DKIMDomain, c.DKIMSelector, c.DKIMKeyFile = "example.com", "s1", notAKey }, "TOCSIN_DKIM_KEY_FILE"},
	} {
		c := good
		test.change(&c)
		_, err := c.Open()
		require.ErrorContains(t, err, test.variable)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := good.Open()
	require.NoError(t, err)
	require.True(t, good.Present())
	require.False(t, (&Config{From: good.From}).Present())
}

func TestSTARTTLSAndLogin(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]farend.InboxOptions{
		"STARTTLS":     {STARTTLS: true, Username: "relay", Password: "hunter2"},
		"implicit TLS": {TLS: true, Username: "relay", Password: "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inbox, log := startInbox(t, options)
			scheme, query := "smtp", "?tls=required"
			if options.TLS {
				scheme, query = "smtps", ""
			}
			roots := filepath.Join(t.TempDir(), "roots.pem")
			require.NoError(t, os.WriteFile(roots, inbox.RootsPEM(), 0o600))
			trusting := func(password string) *channel {
				return open(t, Config{URL: scheme + "://relay:" + password + "@" + inbox.Addr() + query, CAFile: roots})
			}
			require.NoError(t, trusting("hunter2").Send(t.Context(), delivery("job.fail", "1"), target()))
			require.Len(t, received(log), 1)

			wrong := channels.FailureOf(trusting("wrongpass").Send(t.Context(), delivery("job.fail", "2"), target()))
			require.Equal(t, channels.Misconfigured, wrong.Kind)
			require.Equal(t, "535 5.7.8", wrong.Status)
			require.ErrorContains(t, wrong.Err, "TOCSIN_SMTP_URL")
			require.NotContains(t, wrong.Error(), "wrongpass")

			untrusted := open(t, Config{URL: scheme + "://relay:hunter2@" + inbox.Addr() + query})
			failure := channels.FailureOf(untrusted.Send(t.Context(), delivery("job.fail", "3"), target()))
			require.Equal(t, channels.Misconfigured, failure.Kind)
			require.ErrorContains(t, failure.Err, "certificate")
			require.ErrorContains(t, failure.Err, "TOCSIN_SMTP_CA_FILE")
			require.Len(t, received(log), 1)
		})
	}
}

func TestTLSIsNotDoneWithout(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	for _, url := range []string{
		"smtp://" + inbox.Addr() + "?tls=required",
		"smtp://relay:hunter2@" + inbox.Addr(), // opportunistic, but a password needs TLS
	} {
		failure := channels.FailureOf(open(t, Config{URL: url}).Send(t.Context(), delivery("job.fail", "1"), target()))
		require.Equal(t, channels.Misconfigured, failure.Kind)
		require.ErrorContains(t, failure.Err, "TOCSIN_SMTP_URL")
		require.NotContains(t, failure.Error(), "hunter2")
	}
	require.Empty(t, received(log))
}

func TestOpportunisticTLS(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{STARTTLS: true, Username: "relay", Password: "hunter2"})
	require.NoError(t, open(t, Config{URL: "smtp://relay:hunter2@" + inbox.Addr()}).Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Len(t, received(log), 1)

	nobody := channels.FailureOf(openFor(t, inbox).Send(t.Context(), delivery("job.fail", "2"), target()))
	require.Equal(t, channels.Misconfigured, nobody.Kind)
	require.Equal(t, "530 5.7.0", nobody.Status)
	require.ErrorContains(t, nobody.Err, "TOCSIN_SMTP_URL")
}
