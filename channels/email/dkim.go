package email

import (
	"crypto"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/emersion/go-msgauth/dkim"
	gomail "github.com/wneessen/go-mail"
)

// signer signs mails with DKIM (RFC 6376). The mail library's own signer is
// not used: it folds a list of headers as long as ours in the middle of a
// name, after signing it unfolded, so that no receiver can verify it (v0.8.1).
type signer struct{ options dkim.SignOptions }

// signedHeaders are all that we write. Each is signed once more than it is
// there (RFC 6376 section 5.4.2), so that nobody can add one on the way.
var signedHeaders = slices.Repeat([]string{
	"From", "To", "Subject", "Date", "Message-ID", "Content-Type", "MIME-Version",
	"In-Reply-To", "References", "Auto-Submitted", "X-Auto-Response-Suppress",
	"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID",
}, 2)

// signer is nil if DKIM is not configured.
func (c *Config) signer() (*signer, error) {
	if c.DKIMDomain == "" && c.DKIMSelector == "" && c.DKIMKeyFile == "" {
		return nil, nil
	}
	for _, given := range [...]struct{ variable, value string }{
		{"TOCSIN_DKIM_DOMAIN", c.DKIMDomain},
		{"TOCSIN_DKIM_SELECTOR", c.DKIMSelector},
		{"TOCSIN_DKIM_KEY_FILE", c.DKIMKeyFile},
	} {
		if given.value == "" {
			return nil, fmt.Errorf("%s: missing; DKIM needs domain, selector and key file", given.variable)
		}
	}
	key, err := readKey(c.DKIMKeyFile)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_DKIM_KEY_FILE: %w", err)
	}
	return &signer{dkim.SignOptions{
		Domain:                 c.DKIMDomain,
		Selector:               c.DKIMSelector,
		Signer:                 key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed,
		BodyCanonicalization:   dkim.CanonicalizationRelaxed,
		HeaderKeys:             signedHeaders,
	}}, nil
}

func readKey(file string) (crypto.Signer, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := gomail.PrivKeyFromPEM(pem)
	if err != nil {
		return nil, fmt.Errorf("read key in %s: %w", file, err)
	}
	return key, nil
}

// field is the header field that signs a mail, with its line end.
func (s *signer) field(mail []byte) (string, error) {
	signing, err := dkim.NewSigner(&s.options)
	if err != nil {
		return "", fmt.Errorf("sign mail: %w", err)
	}
	_, err = signing.Write(mail)
	if err := errors.Join(err, signing.Close()); err != nil {
		return "", fmt.Errorf("sign mail: %w", err)
	}
	return signing.Signature(), nil
}
