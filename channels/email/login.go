package email

import (
	"errors"
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// login is PLAIN or LOGIN, whichever the server offers, inside TLS and nowhere
// else.
type login struct {
	server server
	chosen smtp.Auth
}

// errLogin marks failures that only the configuration can cause.
var errLogin = errors.New("TOCSIN_SMTP_URL: log in to the mail server")

func (l *login) Start(offered *smtp.ServerInfo) (string, []byte, error) {
	switch {
	case !offered.TLS:
		return "", nil, errors.Join(errLogin, errors.New("no TLS, so the password is not sent"))
	case slices.Contains(offered.Auth, "PLAIN"):
		l.chosen = smtp.PlainAuth("", l.server.username, l.server.password, l.server.host, false)
	case slices.Contains(offered.Auth, "LOGIN"):
		l.chosen = smtp.LoginAuth(l.server.username, l.server.password, l.server.host, false)
	default:
		return "", nil, errors.Join(errLogin, errors.New("it offers neither PLAIN nor LOGIN"))
	}
	return l.chosen.Start(offered)
}

func (l *login) Next(challenge []byte, more bool) ([]byte, error) {
	return l.chosen.Next(challenge, more)
}
