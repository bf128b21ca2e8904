package email

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
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
			trusting := func(password string) *channel {
				s, err := parseServer(scheme + "://relay:" + password + "@" + inbox.Addr() + query)
				require.NoError(t, err)
				s.tls.RootCAs = x509.NewCertPool()
				require.True(t, s.tls.RootCAs.AppendCertsFromPEM(inbox.RootsPEM()))
				c, err := (&Config{From: "notify@tocsin.example"}).open(s)
				require.NoError(t, err)
				return c
			}
			require.NoError(t, trusting("hunter2").Send(t.Context(), delivery("job.fail", "1"), target()))
			require.Len(t, received(log), 1)

			wrong := channels.FailureOf(trusting("wrongpass").Send(t.Context(), delivery("job.fail", "2"), target()))
			require.Equal(t, channels.Temporary, wrong.Kind)
			require.Equal(t, "535", wrong.Status)
			require.ErrorContains(t, wrong.Err, "TOCSIN_SMTP_URL")
			require.NotContains(t, wrong.Error(), "wrongpass")

			untrusted := open(t, Config{URL: scheme + "://relay:hunter2@" + inbox.Addr() + query})
			failure := channels.FailureOf(untrusted.Send(t.Context(), delivery("job.fail", "3"), target()))
			require.Equal(t, channels.Temporary, failure.Kind)
			require.ErrorContains(t, failure.Err, "certificate")
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
		require.Equal(t, channels.Temporary, failure.Kind)
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
	require.Equal(t, channels.Temporary, nobody.Kind)
	require.Equal(t, "530 5.7.0", nobody.Status)
	require.ErrorContains(t, nobody.Err, "TOCSIN_SMTP_URL")
}

func TestDKIM(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "dkim.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))

	inbox, log := startInbox(t, farend.InboxOptions{})
	c := open(t, Config{URL: "smtp://" + inbox.Addr(), DKIMDomain: "tocsin.example", DKIMSelector: "s1", DKIMKeyFile: file})
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))

	raw := received(log)[0].Raw
	require.NoError(t, verifyDKIM(raw, &key.PublicKey))
	for name, changed := range map[string]string{
		"subject": strings.Replace(raw, "Subject: Job", "Subject: Jab", 1),
		"body":    strings.Replace(raw, "Content-Type: text/html", "Content-Type: text/xhtml", 1),
		"added":   "List-Unsubscribe: <https://evil.example/>\r\n" + raw,
	} {
		require.NotEqual(t, raw, changed, name)
		require.Error(t, verifyDKIM(changed, &key.PublicKey), name)
	}
}

func verifyDKIM(raw string, key *rsa.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	verifications, err := dkim.VerifyWithOptions(strings.NewReader(raw), &dkim.VerifyOptions{
		LookupTXT: func(domain string) ([]string, error) {
			if domain != "s1._domainkey.tocsin.example" {
				return nil, errors.New("no such record")
			}
			return []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)}, nil
		},
	})
	if err != nil {
		return err
	}
	if len(verifications) != 1 {
		return errors.New("not one signature")
	}
	return verifications[0].Err
}
