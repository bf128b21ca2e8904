package email

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
	gomail "github.com/wneessen/go-mail"
)

// signer signs mails with DKIM (RFC 6376). The mail library's own signer is
// not used: it folds a list of headers as long as ours in the middle of a
// name, after signing it unfolded, so that no receiver can verify it (v0.8.1).
type signer struct{ options dkim.SignOptions }

// signedHeaders are all that we write, and the List- fields, whose absence is
// signed as well (RFC 6376 section 5.4): nobody can add them on the way.
var signedHeaders = []string{
	"From", "To", "Subject", "Date", "Message-ID", "Content-Type", "MIME-Version",
	"In-Reply-To", "References", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post",
}

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

// sign adds the signature to a mail that is otherwise complete. The mail must
// read the same when it is written again, so it gets its boundary now.
func (s *signer) sign(m *gomail.Msg) error {
	m.SetBoundary(rand.Text())
	var raw bytes.Buffer
	if _, err := m.WriteTo(&raw); err != nil {
		return fmt.Errorf("write mail to sign: %w", err)
	}
	signing, err := dkim.NewSigner(&s.options)
	if err != nil {
		return fmt.Errorf("sign mail: %w", err)
	}
	_, err = raw.WriteTo(signing)
	if err := errors.Join(err, signing.Close()); err != nil {
		return fmt.Errorf("sign mail: %w", err)
	}
	_, field, _ := strings.Cut(signing.Signature(), ": ")
	m.SetGenHeaderPreformatted("DKIM-Signature", strings.TrimSuffix(field, "\r\n"))
	return nil
}
