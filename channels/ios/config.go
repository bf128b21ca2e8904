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
	opened := &channel{topic: c.Topic, clients: map[string]*apns2.Client{}}
	secure, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	var provider *token.Token
	if c.CertFile == "" {
		if provider, err = c.provider(); err != nil {
			return nil, err
		}
		opened.bearer = &bearer{provider}
	}
	for environment, apple := range map[string]string{production: productionURL, sandbox: sandboxURL} {
		server, err := parseURL(cmp.Or(c.URL, apple))
		if err != nil {
			return nil, fmt.Errorf("TOCSIN_APNS_URL: %w", err)
		}
		opened.clients[environment] = newClient(server, secure, provider)
	}
	return opened, nil
}

func newClient(server *url.URL, secure *tls.Config, provider *token.Token) *apns2.Client {
	return &apns2.Client{
		Host:  server.String(),
		Token: provider,
		HTTPClient: &http.Client{
			Transport:     newLine(server, secure),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
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

// provider makes the first provider token, and so proves that the key signs.
func (c *Config) provider() (*token.Token, error) {
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
	provider := &token.Token{AuthKey: key, KeyID: c.KeyID, TeamID: c.TeamID}
	if _, err := provider.Generate(); err != nil {
		return nil, fmt.Errorf("TOCSIN_APNS_KEY_FILE: sign with it: %w", err)
	}
	return provider, nil
}
