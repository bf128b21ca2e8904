package farend

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"time"
)

// HookTLS says what a receiver shows in a TLS handshake, and what it wants to
// see.
type HookTLS struct {
	Host    string // whom its certificate is for; empty: localhost and 127.0.0.1
	Expired bool   // the certificate has been out of date for a minute
	Mutual  bool   // only clients with a certificate of its authority get in
}

// HookAuthority signed a receiver's certificate and signs those of its clients.
type HookAuthority struct{ authority *authority }

// NewTLSHook starts a receiver that speaks HTTPS, by HTTP/1.1 and HTTP/2, on a
// free port of 127.0.0.1.
func NewTLSHook(log *Log, with HookTLS) (*Hook, *HookAuthority, error) {
	signer, err := newAuthority()
	if err != nil {
		return nil, nil, fmt.Errorf("start webhook receiver: %w", err)
	}
	a := &HookAuthority{signer}
	security, err := a.serverTLS(with)
	if err != nil {
		return nil, nil, fmt.Errorf("start webhook receiver: %w", err)
	}
	h := &Hook{log: log, keys: map[string]string{}}
	if h.server, err = serveWebTLS(h, security); err != nil {
		return nil, nil, fmt.Errorf("start webhook receiver: %w", err)
	}
	return h, a, nil
}

// Roots trusts this authority and no other.
func (a *HookAuthority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.authority.certificate)
	return pool
}

// NewClient makes a certificate that the receiver lets in, and its key, as PEM.
func (a *HookAuthority) NewClient(name string) (certificate, key string, err error) {
	template := certificateOf(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	issued, err := a.authority.issue(template)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(issued.PrivateKey)
	if err != nil {
		return "", "", fmt.Errorf("encode key of %s: %w", name, err)
	}
	return encodePEM("CERTIFICATE", issued.Certificate[0]), encodePEM("PRIVATE KEY", der), nil
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (a *HookAuthority) serverTLS(with HookTLS) (*tls.Config, error) {
	template := certificateOf("webhook receiver")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if with.Host != "" {
		template.DNSNames = []string{with.Host}
	} else {
		template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	if with.Expired {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	certificate, err := a.authority.issue(template)
	if err != nil {
		return nil, err
	}
	security := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if with.Mutual {
		security.ClientAuth, security.ClientCAs = tls.RequireAndVerifyClientCert, a.Roots()
	}
	return security, nil
}
