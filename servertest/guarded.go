package servertest

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// StartGuarded starts both with the files of deploy/, unchanged for one partition.
func StartGuarded(t testing.TB, partitions int) *Guarded {
	t.Helper()
	SetPasswords(t)
	g := &Guarded{Authority: NewAuthority(t)}
	g.NATS = g.startNATS(t, partitions)
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

func (g *Guarded) startNATS(t testing.TB, partitions int) *NATSServer {
	t.Helper()
	config := repository(t, "deploy", "nats", "server.conf")
	if partitions > 1 {
		config = forPartitions(t, config, partitions)
	}
	options, err := server.ProcessConfigFile(config)
	require.NoError(t, err)
	cert, key := g.Issue("nats")
	options.TLS, options.TLSTimeout = true, 5
	options.TLSConfig, err = server.GenTLSConfig(&server.TLSConfigOpts{CertFile: cert, KeyFile: key})
	require.NoError(t, err)
	n := &NATSServer{t: t, options: options}
	n.begin()
	return n
}

// forPartitions is the server's file beside the permissions for so many.
func forPartitions(t testing.TB, config string, partitions int) string {
	t.Helper()
	permissions, err := exec.CommandContext(t.Context(), repository(t, "deploy", "nats", "permissions.sh"), strconv.Itoa(partitions)).Output()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "permissions.conf"), permissions, 0o600))
	text, err := os.ReadFile(config) //nolint:gosec // a file of the repository
	require.NoError(t, err)
	config = filepath.Join(dir, "server.conf")
	require.NoError(t, os.WriteFile(config, text, 0o600)) //nolint:gosec // in the test's own folder
	return config
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
