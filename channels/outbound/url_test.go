package outbound

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"https://example.com", "http://example.com/hook?key=1", "HTTPS://example.com:8443/a%20b", "https://example.com:/x",
		"https://[2606:4700::1]/x", "https://93.184.216.34/", "https://bücher.example/", "http://example.com:8080", "http://example.com:80",
	} {
		u, err := CheckURL(good)
		require.NoError(t, err, good)
		require.False(t, strings.HasSuffix(u.Host, ":"))
	}
	const well, begin, host = "the URL is not well-formed", "the URL must begin with https:// or http://", "the URL must name a host"
	const user, fragment = "the URL must not hold a user name or password", "the URL must not hold a fragment (#)"
	const port, other = "the URL's port must be between 1 and 65535", "the URL's port belongs to another protocol than HTTP"
	for bad, why := range map[string]string{
		"":                                                 "a URL is needed",
		"example.com/hook":                                 begin,
		"ftp://example.com/":                               begin,
		"javascript:alert(1)":                              begin,
		"https:example.com":                                host,
		"https:///hook":                                    host,
		"https://:8443/hook":                               host,
		"https://user:pw@example.com/":                     user,
		"https://user@example.com/":                        user,
		"https://@example.com/":                            user,
		"https://example.com/#top":                         fragment,
		"https://example.com/#":                            fragment,
		"https://example.com:0/":                           port,
		"https://example.com:65536/":                       port,
		"https://example.com:22/":                          other,
		"http://example.com:25":                            other,
		"http://example.com:025":                           other,
		"http://example.com:6667/":                         other,
		"http://example.com:10080/":                        other,
		"https://example.com:http/":                        well,
		"https://example.com/\x7f":                         well,
		"https://exa mple.com/":                            well,
		"https://example.com/?a b":                         well,
		"https://example.com/%zz":                          well,
		"https://[::1/":                                    well,
		"https://example.com\r\nX: y/":                     well,
		" https://example.com/leading-sp":                  well,
		"https://example.com/" + strings.Repeat("a", 2048): "the URL is longer than 2048 characters",
	} {
		_, err := CheckURL(bad)
		require.EqualError(t, err, why, bad)
	}
}

func TestBadPortsAreInOrder(t *testing.T) {
	t.Parallel()
	require.IsIncreasing(t, badPorts)
}

// FuzzCheckURL: what passes can be requested, and what is refused is not
// repeated.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/hook?key=1", "http://[::1%25eth0]:8080", "https://user:pw@example.com", "https://example.com:22/",
		"https://a b/", "https://example.com:/", "http:\\\\x", "https://0x7f.1/", "https://%65xample.com", "https://example.com/?\x00", "http://①.example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := CheckURL(raw)
		if err != nil {
			require.Nil(t, u)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.NotEmpty(t, u.Hostname())
		require.Nil(t, u.User)
		require.NotContains(t, u.RequestURI(), " ")
		_, err = http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(), nil)
		require.NoError(t, err)
		again, err := CheckURL(u.String())
		require.NoError(t, err, "the URL as it is sent passes too")
		require.Equal(t, u.Host, again.Host)
	})
}
