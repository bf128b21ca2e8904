package outbound

import (
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

func TestPrivateDestinationsAreRefusedForGood(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	_, port, err := net.SplitHostPort(hook.URL()[len("http://"):])
	require.NoError(t, err)
	c := Open(Policy{Variable: "TOCSIN_ALLOW", Resolver: serveNames(t, map[string][][]string{
		"private.example": {{"10.0.0.1"}},
		"local.example":   {{"127.0.0.1"}},
		"localhost":       {{"127.0.0.1"}},
		"several.example": {{"10.0.0.1", "192.168.0.1", "169.254.169.254"}},
	})})
	for _, host := range []string{
		"127.0.0.1", "0.0.0.0", "169.254.169.254", "100.100.100.200", "localhost", "localhost.",
		"[::1]", "[::ffff:10.0.0.1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[fd00:ec2::254]",
		"private.example", "local.example", "several.example",
	} {
		f := channels.FailureOf(post(t, c, "http://"+host+":"+port+"/hook"))
		require.Equal(t, channels.Permanent, f.Kind, "%s: %v", host, f.Err)
		require.Regexp(t, `^refused: \S+ is not a public address; the operator can allow it with TOCSIN_ALLOW$`, f.Err.Error(), host)
	}
	received, _ := log.Since(0)
	require.Empty(t, received)
}

// Spellings of 127.0.0.1 that a resolver could take for a name or an address.
func TestOddSpellingsReachNothing(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	base, err := url.Parse(hook.URL())
	require.NoError(t, err)
	c := Open(Policy{Variable: "TOCSIN_ALLOW", Resolver: serveNames(t, nil)})
	for _, host := range []string{"127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0", "[fe80::1%25eth0]", "①②⑦.⓪.⓪.①"} {
		require.Error(t, post(t, c, "http://"+host+":"+base.Port()+"/hook"), host)
	}
	received, _ := log.Since(0)
	require.Empty(t, received)
}

// A name may resolve to a permitted address first and to a private one later.
func TestRebindingIsRefused(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	base, err := url.Parse(hook.URL())
	require.NoError(t, err)
	resolver := serveNames(t, map[string][][]string{"rebind.example": {{"127.0.0.1"}, {"10.0.0.1"}}})
	c := local(resolver)
	to := "http://rebind.example:" + base.Port() + "/hook"
	require.NoError(t, post(t, c, to))
	c.CloseIdleConnections()
	f := channels.FailureOf(post(t, c, to))
	require.ErrorContains(t, f.Err, "refused: 10.0.0.1")
	require.Equal(t, channels.Permanent, f.Kind)
	received, _ := log.Since(0)
	require.Len(t, received, 1)
}

func TestMixedAnswerReachesOnlyWhatIsPermitted(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	base, err := url.Parse(hook.URL())
	require.NoError(t, err)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	_, closedPort, err := net.SplitHostPort(closed.Addr().String())
	require.NoError(t, err)

	resolver := serveNames(t, map[string][][]string{"mixed.example": {{"10.0.0.1", "127.0.0.1"}}})
	c := local(resolver)
	require.NoError(t, post(t, c, "http://mixed.example:"+base.Port()+"/hook"))
	f := channels.FailureOf(post(t, c, "http://mixed.example:"+closedPort+"/hook"))
	require.Equal(t, channels.Temporary, f.Kind, "the permitted address may answer later: %v", f.Err)
}

// With a proxy the guard would see the proxy's address only.
func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	hook, log := newHook(t)
	t.Setenv("HTTP_PROXY", hook.URL())
	t.Setenv("http_proxy", hook.URL())
	c := local(serveNames(t, map[string][][]string{"private.example": {{"10.0.0.1"}}}))
	require.ErrorContains(t, post(t, c, "http://private.example/hook"), "refused: 10.0.0.1")
	received, _ := log.Since(0)
	require.Empty(t, received)
}
