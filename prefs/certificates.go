package prefs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Certificates names PEM files for TLS connections to Redis.
type Certificates struct {
	CA   string // of the authorities that may have signed the server's; empty: the system's
	Cert string // what this client shows of itself, as a stock Redis with TLS asks (tls-auth-clients); empty: nothing
	Key  string // the key of Cert
}

// read checks the files. The client's own are read again for each connection,
// so that one that is renewed is used without a restart.
func (c Certificates) read() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read the authority of Redis' certificate: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read the authority of Redis' certificate: there is none in %s; it must be PEM", c.CA)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("a client certificate for Redis needs both a certificate and its key")
	}
	if c.Cert == "" {
		return config, nil
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate for Redis: %w", err)
		}
		return &pair, nil
	}
	_, err := config.GetClientCertificate(nil)
	return config, err
}

// certify adds certificates to what go-redis has made of a rediss URL.
func (a address) certify(config *tls.Config) {
	if config != nil {
		config.RootCAs, config.GetClientCertificate = a.certificates.RootCAs, a.certificates.GetClientCertificate
	}
}
