package queue_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/servertest"
)

func TestTLSIsHeldAgainstItsAuthority(t *testing.T) {
	t.Parallel()
	ours, strangers := servertest.NewAuthority(t), servertest.NewAuthority(t)
	cert, key := ours.Issue("worker")
	strangeCert, strangeKey := strangers.Issue("worker")
	plain := servertest.NATS(t).URL()
	asks := servertest.NATS(t, withTLS(t, ours, false)).URL()
	demands := servertest.NATS(t, withTLS(t, ours, true)).URL()
	for name, c := range map[string]struct {
		options queue.Options
		wrong   string // empty: it connects
	}{
		"known authority":                {queue.Options{URL: asks, CA: ours.CA}, ""},
		"unknown authority":              {queue.Options{URL: asks}, "certificate"},
		"another authority":              {queue.Options{URL: asks, CA: strangers.CA}, "unknown authority"},
		"no TLS at the server":           {queue.Options{URL: plain, CA: ours.CA}, "secure connection not available"},
		"client certificate":             {queue.Options{URL: demands, CA: ours.CA, Cert: cert, Key: key}, ""},
		"no client certificate":          {queue.Options{URL: demands, CA: ours.CA}, "tls"},
		"another's client certificate":   {queue.Options{URL: demands, CA: ours.CA, Cert: strangeCert, Key: strangeKey}, "tls"},
		"client certificate without key": {queue.Options{URL: demands, CA: ours.CA, Cert: cert}, "needs both"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Log = zap.NewNop()
			q, err := queue.Connect(c.options)
			if c.wrong != "" {
				require.ErrorContains(t, err, c.wrong)
				return
			}
			require.NoError(t, err)
			defer q.Close()
			require.NoError(t, q.Setup(t.Context(), 0))
		})
	}
}

// A daemon waits for its server, and says why it waits.
func TestPatienceNamesTheCertificate(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t, withTLS(t, servertest.NewAuthority(t), false))
	q, err := queue.Connect(queue.Options{URL: n.URL(), CA: servertest.NewAuthority(t).CA, Patient: true, Log: zap.NewNop()})
	require.NoError(t, err)
	defer q.Close()
	require.Eventually(t, func() bool {
		err := q.Setup(t.Context(), 0)
		require.Error(t, err)
		return strings.Contains(err.Error(), "unknown authority")
	}, 20*time.Second, 20*time.Millisecond)
}

func TestCredentialsFileSignsIn(t *testing.T) {
	t.Parallel()
	operator, system := newNKey(t, nkeys.CreateOperator), newNKey(t, nkeys.CreateAccount)
	account, user := newNKey(t, nkeys.CreateAccount), newNKey(t, nkeys.CreateUser)
	limited := jwt.NewAccountClaims(public(t, account))
	limited.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, MemoryStorage: jwt.NoLimit}
	resolver := &server.MemAccResolver{}
	for _, claims := range []*jwt.AccountClaims{limited, jwt.NewAccountClaims(public(t, system))} {
		token, err := claims.Encode(operator)
		require.NoError(t, err)
		require.NoError(t, resolver.Store(claims.Subject, token))
	}
	n := servertest.NATS(t, func(o *server.Options) {
		o.TrustedKeys, o.AccountResolver, o.SystemAccount = []string{public(t, operator)}, resolver, public(t, system)
	})

	userToken, err := jwt.NewUserClaims(public(t, user)).Encode(account)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	text, err := jwt.FormatUserConfig(userToken, seed)
	require.NoError(t, err)
	creds := filepath.Join(t.TempDir(), "worker.creds")
	require.NoError(t, os.WriteFile(creds, text, 0o600))

	q, err := queue.Connect(queue.Options{URL: n.URL(), Creds: creds, Log: zap.NewNop()})
	require.NoError(t, err)
	defer q.Close()
	require.NoError(t, q.Setup(t.Context(), 0))
	_, err = queue.Connect(queue.Options{URL: n.URL(), Log: zap.NewNop()})
	require.ErrorContains(t, err, "Authorization Violation")
}

func withTLS(t *testing.T, a *servertest.Authority, verify bool) func(*server.Options) {
	t.Helper()
	cert, key := a.Issue("nats")
	config, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: cert, KeyFile: key, CaFile: a.CA, Verify: verify})
	require.NoError(t, err)
	return func(o *server.Options) { o.TLS, o.TLSConfig, o.TLSVerify, o.TLSTimeout = true, config, verify, 5 }
}

func newNKey(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	key, err := create()
	require.NoError(t, err)
	return key
}

func public(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	name, err := key.PublicKey()
	require.NoError(t, err)
	return name
}
