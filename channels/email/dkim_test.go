package email

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

// dkimConfig signs with a new key, and gives the TXT record that verifies it.
func dkimConfig(t testing.TB, kind string) (c Config, record string) {
	t.Helper()
	var key crypto.Signer
	var public []byte
	switch kind {
	case "rsa":
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		public, err = x509.MarshalPKIXPublicKey(private.Public())
		require.NoError(t, err)
		key = private
	case "ed25519":
		verifying, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		key, public = private, verifying
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "dkim.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return Config{DKIMDomain: "tocsin.example", DKIMSelector: "s1", DKIMKeyFile: file},
		"v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public)
}

func TestDKIM(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			inbox, log := startInbox(t, farend.InboxOptions{})
			config, record := dkimConfig(t, kind)
			config.URL = "smtp://" + inbox.Addr()
			require.NoError(t, open(t, config).Send(t.Context(), delivery("job.fail", "1"), target()))
			config.PublicURL, config.LinkKey = "https://tocsin.example.com", linkKey
			require.NoError(t, open(t, config).Send(t.Context(), delivery("job.fail", "2"), target()))

			mails := received(log)
			bare, linked := mails[0].Raw, mails[1].Raw
			require.NoError(t, verifyDKIM(bare, record))
			require.NoError(t, verifyDKIM(linked, record))
			for name, changed := range map[string]string{
				"subject":               strings.Replace(bare, "Subject: Job", "Subject: Jab", 1),
				"body":                  strings.Replace(bare, "Content-Type: text/html", "Content-Type: text/xhtml", 1),
				"link added":            "List-Unsubscribe: <https://evil.example/>\r\n" + bare,
				"second link added":     "List-Unsubscribe: <https://evil.example/>\r\n" + linked,
				"second subject added":  "Subject: urgent\r\n" + bare,
				"second sender added":   "From: bank@example.com\r\n" + bare,
				"one-click taken away":  strings.Replace(linked, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", "", 1),
				"link led elsewhere":    strings.Replace(linked, "<https://tocsin", "<https://totsin", 1),
				"Auto-Submitted turned": strings.Replace(bare, "auto-generated", "no", 1),
			} {
				require.NotEqual(t, bare, changed, name)
				require.NotEqual(t, linked, changed, name)
				require.Error(t, verifyDKIM(changed, record), name)
			}
		})
	}
}

func verifyDKIM(raw, record string) error {
	verifications, err := dkim.VerifyWithOptions(strings.NewReader(raw), &dkim.VerifyOptions{
		LookupTXT: func(domain string) ([]string, error) {
			if domain != "s1._domainkey.tocsin.example" {
				return nil, errors.New("no such record")
			}
			return []string{record}, nil
		},
	})
	if err != nil {
		return err
	}
	if len(verifications) != 1 {
		return errors.New("not one signature")
	}
	return verifications[0].Err
}
