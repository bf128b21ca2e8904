package email

import (
	"encoding/json"
	"errors"
	"net"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"

	"tocsin/channels"
)

// settings are a target's, as saved; without an address the person's counts.
type settings struct {
	Address string `json:"address"`
}

func check(saved json.RawMessage) error {
	address, err := addressIn(saved)
	if err != nil || address == "" {
		return err
	}
	return checkAddress(address)
}

func addressIn(saved json.RawMessage) (string, error) {
	if len(saved) == 0 {
		return "", nil
	}
	var s settings
	if json.Unmarshal(saved, &s) != nil {
		return "", errors.New("the email settings are not an object with an address")
	}
	return strings.TrimSpace(s.Address), nil
}

// checkAddress takes what needs no quoting anywhere, so that an address is
// written in headers and commands as it stands. Lengths: RFC 5321 section 4.5.3.1.
func checkAddress(address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address {
		return errors.New("this is not an email address")
	}
	local, domain := splitAddress(address)
	if len(local) > 64 || len(address) > 254 {
		return errors.New("this email address is too long")
	}
	if _, err := idna.Lookup.ToASCII(domain); err != nil && !strings.HasPrefix(domain, "[") {
		return errors.New("this email address has a domain that cannot be")
	}
	return nil
}

// recipient is where mails to a target go, with the domain as DNS has it, so
// that only letters before the @ need a server with SMTPUTF8 (RFC 6531).
func recipient(to channels.Target) (string, error) {
	address, err := addressIn(to.Settings)
	if err != nil {
		return "", err
	}
	if address == "" {
		address = to.Person.Email
	}
	if address == "" {
		return "", errors.New("the user has no email address")
	}
	if err := checkAddress(address); err != nil {
		return "", err
	}
	local, domain := splitAddress(address)
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	}
	return local + "@" + domain, nil
}

func splitAddress(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	return address[:at], address[at+1:]
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 })
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
