package prefs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/servertest"
)

func TestTLSIsHeldAgainstItsAuthority(t *testing.T) {
	t.Parallel()
	ours, strangers := servertest.NewAuthority(t), servertest.NewAuthority(t)
	cert, key := ours.Issue("worker")
	strangeCert, strangeKey := strangers.Issue("worker")
	asks := servertest.StartRedisTLS(t, ours, "--tls-auth-clients", "no").URL()
	demands := servertest.StartRedisTLS(t, ours).URL()
	for name, c := range map[string]struct {
		url   string
		files prefs.Certificates
		wrong string // empty: it answers
	}{
		"known authority":              {asks, prefs.Certificates{CA: ours.CA}, ""},
		"unknown authority":            {asks, prefs.Certificates{}, "certificate"},
		"another authority":            {asks, prefs.Certificates{CA: strangers.CA}, "unknown authority"},
		"client certificate":           {demands, prefs.Certificates{CA: ours.CA, Cert: cert, Key: key}, ""},
		"no client certificate":        {demands, prefs.Certificates{CA: ours.CA}, "certificate"},
		"another's client certificate": {demands, prefs.Certificates{CA: ours.CA, Cert: strangeCert, Key: strangeKey}, "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := prefs.OpenTLS(c.url+"?max_retries=-1", c.files)
			require.NoError(t, err)
			defer client.Close()
			err = client.Ping(t.Context()).Err()
			if c.wrong != "" {
				require.ErrorContains(t, err, c.wrong)
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestWrongCertificatesAreRefusedBeforeTheFirstCommand(t *testing.T) {
	t.Parallel()
	ours := servertest.NewAuthority(t)
	cert, key := ours.Issue("worker")
	_, anotherKey := ours.Issue("worker")
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	require.NoError(t, os.WriteFile(garbage, []byte("no PEM"), 0o600))
	for name, c := range map[string]struct {
		url   string
		files prefs.Certificates
		wrong string
	}{
		"URL without TLS":         {"redis://redis", prefs.Certificates{CA: ours.CA}, "must begin with rediss"},
		"no such authority":       {"rediss://redis", prefs.Certificates{CA: garbage + "x"}, "garbage.pemx"},
		"authority that is none":  {"rediss://redis", prefs.Certificates{CA: garbage}, "must be PEM"},
		"certificate without key": {"rediss://redis", prefs.Certificates{Cert: cert}, "both a certificate and its key"},
		"key of another":          {"rediss://redis", prefs.Certificates{Cert: cert, Key: anotherKey}, "client certificate for Redis"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := prefs.OpenTLS(c.url, c.files)
			require.ErrorContains(t, err, c.wrong)
		})
	}
	for _, url := range []string{"rediss://redis", "rediss://a,b", "rediss-cluster://a", "rediss-sentinel://a?master=m"} {
		client, err := prefs.OpenTLS(url, prefs.Certificates{CA: ours.CA, Cert: cert, Key: key})
		require.NoError(t, err, url)
		require.NoError(t, client.Close())
	}
}

// A certificate is renewed while the process runs; the next connection shows
// the new one.
func TestRenewedClientCertificateIsShown(t *testing.T) {
	t.Parallel()
	ours, strangers := servertest.NewAuthority(t), servertest.NewAuthority(t)
	cert, key := strangers.Issue("worker")
	client, err := prefs.OpenTLS(servertest.StartRedisTLS(t, ours).URL()+"?max_retries=-1", prefs.Certificates{CA: ours.CA, Cert: cert, Key: key})
	require.NoError(t, err)
	defer client.Close()
	require.Error(t, client.Ping(t.Context()).Err())
	newCert, newKey := ours.Issue("worker")
	require.NoError(t, os.Rename(newKey, key))
	require.NoError(t, os.Rename(newCert, cert))
	require.NoError(t, client.Ping(t.Context()).Err())
}
