package outbound

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	g := newGuard(Policy{Variable: "TOCSIN_ALLOW"})
	for _, address := range []string{
		"127.0.0.1:80", "127.1.2.3:443", "0.0.0.0:80", "10.0.0.1:8080", "172.16.0.1:80", "192.168.1.1:22",
		"100.100.100.200:80", "169.254.169.254:80", "168.63.129.16:80", "192.0.2.1:80", "198.18.0.1:80",
		"224.0.0.1:80", "255.255.255.255:80",
		"[::]:80", "[::1]:443", "[::ffff:10.0.0.1]:80", "[::ffff:169.254.169.254]:80", "[fe80::1%eth0]:80",
		"[fd00:ec2::254]:80", "[64:ff9b::7f00:1]:80", "[2002:7f00:1::]:80", "[2001:db8::1]:80", "[2001::1]:6379",
		"example.com:80", "not an address",
	} {
		require.Error(t, g.check(address), address)
	}
	for _, address := range []string{"93.184.216.34:80", "8.8.8.8:6379", "[2606:4700::1111]:443", "[::ffff:8.8.8.8]:80"} {
		require.NoError(t, g.check(address), address)
	}
}

func TestGuardLetsThroughWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for allow, c := range map[string]struct{ reached, refused []string }{
		"10.1.0.0/16": {
			[]string{"10.1.2.3:80", "[::ffff:10.1.2.3]:80", "93.184.216.34:80", "[2606:4700::1111]:443"},
			[]string{"10.2.0.1:80", "127.0.0.1:80", "[::1]:80"},
		},
		"::ffff:10.0.0.0/104": {[]string{"10.9.9.9:80", "[::ffff:10.9.9.9]:80"}, []string{"11.0.0.1.nonsense", "127.0.0.1:80"}},
		"fd00::/8":            {[]string{"[fd00:ec2::254]:80", "93.184.216.34:80"}, []string{"[fe80::1%eth0]:80", "10.0.0.1:80"}},
		"fe80::/10":           {[]string{"[fe80::1%eth0]:80"}, []string{"[fd00::1]:80"}},
		"168.63.129.16/32":    {[]string{"168.63.129.16:80"}, []string{"127.0.0.1:80"}},
	} {
		g := newGuard(Policy{Allow: []netip.Prefix{netip.MustParsePrefix(allow)}})
		for _, address := range c.reached {
			require.NoError(t, g.check(address), "%s with %s allowed", address, allow)
		}
		for _, address := range c.refused {
			require.Error(t, g.check(address), "%s with %s allowed", address, allow)
		}
	}
}

func TestRefusalSaysWhatTheOperatorCanDo(t *testing.T) {
	t.Parallel()
	require.EqualError(t, newGuard(Policy{Variable: "TOCSIN_ALLOW"}).check("10.0.0.1:80"),
		"refused: 10.0.0.1 is not a public address; the operator can allow it with TOCSIN_ALLOW")
}
