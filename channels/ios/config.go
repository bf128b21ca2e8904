package ios

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"time"

	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/token"

	"tocsin/channels"
)

// Config says which app pushes, and with which credentials of Apple's.
type Config struct {
	KeyFile  string `name:"apns-key-file" env:"TOCSIN_APNS_KEY_FILE" help:"APNs signing key, AuthKey_XXXXXXXXXX.p8."`
	KeyID    string `name:"apns-key-id" env:"TOCSIN_APNS_KEY_ID" help:"Id of the key, 10 characters."`
	TeamID   string `name:"apns-team-id" env:"TOCSIN_APNS_TEAM_ID" help:"Id of the developer team, 10 characters."`
	Topic    string `name:"apns-topic" env:"TOCSIN_APNS_TOPIC" help:"Bundle id of the app."`
	CertFile string `name:"apns-cert-file" env:"TOCSIN_APNS_CERT_FILE" help:"PEM file with certificate and key of the app, in place of a signing key."`
	URL      string `name:"apns-url" env:"TOCSIN_APNS_URL" help:"Server to push to, whatever the device's environment. Empty: Apple's."`
	CAFile   string `name:"apns-ca-file" env:"TOCSIN_APNS_CA_FILE" help:"PEM file of the authority of the server's certificate. Empty: the system's."`
}

// Apple's servers ("Sending notification requests to APNs").
const (
	productionURL = "https://api.push.apple.com"
	sandboxURL    = "https://api.sandbox.push.apple.com"
)

// Present reports whether there are credentials.
func (c *Config) Present() bool { return c.KeyFile != "" || c.CertFile != "" }

// Open makes the channel; it does not connect yet.
func (c *Config) Open() (channels.Channel, error) {
	if c.Topic == "" {
		return nil, errors.New("TOCSIN_APNS_TOPIC: missing; it is the bundle id of the app")
	}
	if c.KeyFile != "" && c.CertFile != "" {
		return nil, errors.New("TOCSIN_APNS_CERT_FILE: set together with TOCSIN_APNS_KEY_FILE; one of them is enough")
	}
	secure, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	var provider provider
	if c.CertFile == "" {
		if provider, err = c.bearer(); err != nil {
			return nil, err
		}
	}
	opened := &channel{topic: c.Topic, servers: map[string]*server{}}
	made := map[string]*server{} // by URL: two environments may have one
	for environment, apple := range map[string]string{production: productionURL, sandbox: sandboxURL} {
		address, err := parseURL(cmp.Or(c.URL, apple))
		if err != nil {
			return nil, fmt.Errorf("TOCSIN_APNS_URL: %w", err)
		}
		if made[address.String()] == nil {
			made[address.String()] = newServer(address, newPool(address, secure, provider))
		}
		opened.servers[environment] = made[address.String()]
	}
	return opened, nil
}

func newServer(address *url.URL, connections http.RoundTripper) *server {
	return &server{
		client: &apns2.Client{
			Host: address.String(),
			HTTPClient: &http.Client{
				Transport:     connections,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
		},
		guard: guard{now: time.Now},
	}
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("not a URL like https://api.push.apple.com")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("more than scheme, host and port")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func (c *Config) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(c.CertFile, c.CertFile)
		if err != nil {
			return nil, fmt.Errorf("TOCSIN_APNS_CERT_FILE: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("TOCSIN_APNS_CA_FILE: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("TOCSIN_APNS_CA_FILE: no certificate in %s", c.CAFile)
		}
	}
	return config, nil
}

var idPattern = regexp.MustCompile(`^[A-Z0-9]{10}$`)

func (c *Config) bearer() (*bearer, error) {
	key, err := token.AuthKeyFromFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_APNS_KEY_FILE: %w", err)
	}
	if !idPattern.MatchString(c.KeyID) {
		return nil, errors.New("TOCSIN_APNS_KEY_ID: not 10 capital letters and digits")
	}
	if !idPattern.MatchString(c.TeamID) {
		return nil, errors.New("TOCSIN_APNS_TEAM_ID: not 10 capital letters and digits")
	}
	provider, err := newBearer(key, c.KeyID, c.TeamID)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_APNS_KEY_FILE: %w", err)
	}
	return provider, nil
}
