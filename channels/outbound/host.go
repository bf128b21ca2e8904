package outbound

import (
	"encoding/json"
	"net"
	"net/url"
	"strings"

	"tocsin/channels"
)

// HostOf reads where the setting "url" of a target leads: scheme, host and port,
// which is what connections are kept by. Of settings without a URL it is empty.
func HostOf(settings json.RawMessage) channels.Host {
	var given struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(settings, &given) != nil {
		return channels.Host{}
	}
	u, err := url.Parse(given.URL)
	if err != nil || u.Host == "" {
		return channels.Host{}
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return channels.Host{Name: scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)}
}
