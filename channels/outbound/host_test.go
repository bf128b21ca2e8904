package outbound_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/outbound"
)

func TestHostOf(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		`{"url":"https://Hooks.Example.com/a?b"}`:         "https://hooks.example.com:443",
		`{"url":"HTTP://hooks.example.com"}`:              "http://hooks.example.com:80",
		`{"url":"https://hooks.example.com:8443/secret"}`: "https://hooks.example.com:8443",
		`{"url":"https://[2001:DB8::1]/"}`:                "https://[2001:db8::1]:443",
		`{"url":"://"}`:                                   "",
		`{}`:                                              "",
		`not JSON`:                                        "",
	} {
		require.Equal(t, channels.Host{Name: want}, outbound.HostOf(json.RawMessage(settings)), settings)
	}
}
