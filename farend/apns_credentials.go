package farend

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// APNsCredentials are what a provider needs to push: the values of the
// TOCSIN_APNS_ variables of the same names.
type APNsCredentials struct {
	KeyFile, KeyID, TeamID string // for token authentication
	CertFile               string // for certificate authentication, in place of the former
	Topic                  string
	CAFile                 string
}

// The provider and the app that the push service knows.
const (
	apnsKeyID  = "FAREND0KEY"
	apnsTeamID = "FAREND0TEA"
	apnsTopic  = "com.example.tocsin"
)

// WriteCredentials puts a provider's files in dir.
func (a *APNs) WriteCredentials(dir string) (APNsCredentials, error) {
	c := APNsCredentials{
		KeyFile:  filepath.Join(dir, "AuthKey_"+apnsKeyID+".p8"),
		KeyID:    apnsKeyID,
		TeamID:   apnsTeamID,
		CertFile: filepath.Join(dir, "provider.pem"),
		Topic:    apnsTopic,
		CAFile:   filepath.Join(dir, "apns-ca.pem"),
	}
	key, err := keyPEM(a.key)
	if err != nil {
		return APNsCredentials{}, err
	}
	certificate, err := a.providerPEM()
	if err != nil {
		return APNsCredentials{}, err
	}
	for file, content := range map[string][]byte{c.KeyFile: key, c.CertFile: certificate, c.CAFile: a.authority.pem()} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return APNsCredentials{}, fmt.Errorf("write push credentials: %w", err)
		}
	}
	return c, nil
}

// providerPEM is a new certificate of the provider, followed by its key.
func (a *APNs) providerPEM() ([]byte, error) {
	template := certificateOf("Apple Push Services: " + apnsTopic)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	issued, err := a.authority.issue(template)
	if err != nil {
		return nil, err
	}
	key, err := keyPEM(issued.PrivateKey)
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Certificate[0]}), key...), err
}

func keyPEM(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
