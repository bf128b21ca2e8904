package servertest

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// Guarded is a NATS and a Redis as deploy/ sets them up: each user may do their
// own part alone. Both speak TLS, and Redis asks for a certificate.
type Guarded struct {
	*Authority
	NATS  *NATSServer
	Redis *RedisServer
}

// StartGuarded starts both with the files of deploy/, unchanged.
func StartGuarded(t testing.TB) *Guarded {
	t.Helper()
	SetPasswords(t)
	g := &Guarded{Authority: NewAuthority(t)}
	g.NATS = g.startNATS(t)
	g.Redis = startRedis(t, repository(t, "deploy", "redis", "start.sh"), "rediss", g.redisOptions())
	return g
}

// SetPasswords sets the variables that the files of deploy/ take passwords from.
func SetPasswords(t testing.TB) {
	t.Helper()
	for name, users := range map[string][]string{"NATS": {"PRODUCER", "WORKER", "WEB", "OPERATOR"}, "REDIS": {"WORKER", "WEB", "OPERATOR"}} {
		for _, user := range users {
			require.NoError(t, os.Setenv("TOCSIN_"+name+"_"+user+"_PASSWORD", guardedPassword)) //nolint:usetesting // the same for all
		}
	}
}

const guardedPassword = "p0123456789abcdef"

// NATSURL is the server's with a user's name and password.
func (g *Guarded) NATSURL(user string) string { return withUser(g.NATS.URL(), user) }

// RedisURL is the server's with a user's name and password.
func (g *Guarded) RedisURL(user string) string { return withUser(g.Redis.URL(), user) }

func (g *Guarded) startNATS(t testing.TB) *NATSServer {
	t.Helper()
	options, err := server.ProcessConfigFile(repository(t, "deploy", "nats", "server.conf"))
	require.NoError(t, err)
	cert, key := g.Issue("nats")
	options.TLS, options.TLSTimeout = true, 5
	options.TLSConfig, err = server.GenTLSConfig(&server.TLSConfigOpts{CertFile: cert, KeyFile: key})
	require.NoError(t, err)
	n := &NATSServer{t: t, options: options}
	n.begin()
	return n
}

func withUser(address, user string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err) // it is what the server itself says
	}
	u.User = url.UserPassword(user, guardedPassword)
	return u.String()
}

// repository is the path of a file of the repository, from whatever package the
// test is in.
func repository(t testing.TB, name ...string) string {
	t.Helper()
	folder, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return filepath.Join(append([]string{folder}, name...)...)
		}
		require.NotEqual(t, "/", folder, "no go.mod above the test")
		folder = filepath.Dir(folder)
	}
}
