package email

import (
	"errors"
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// login logs in inside TLS and nowhere else.
type login struct {
	server server
	chosen smtp.Auth
}

// errLogin marks failures that only the configuration can cause.
var errLogin = errors.New("log in to the mail server")

// mechanisms are what we speak, the most common first: inside TLS they are
// equally safe, and servers offer some for which they hold no password.
var mechanisms = []struct {
	name string
	auth func(server) smtp.Auth
}{
	{"PLAIN", func(s server) smtp.Auth { return smtp.PlainAuth("", s.username, s.password, s.host, false) }},
	{"LOGIN", func(s server) smtp.Auth { return smtp.LoginAuth(s.username, s.password, s.host, false) }},
	{"CRAM-MD5", func(s server) smtp.Auth { return smtp.CRAMMD5Auth(s.username, s.password) }},
}

func (l *login) Start(offered *smtp.ServerInfo) (string, []byte, error) {
	if !offered.TLS {
		return "", nil, errors.Join(errLogin, errors.New("no TLS, so the password is not sent"))
	}
	for _, m := range mechanisms {
		if slices.Contains(offered.Auth, m.name) {
			l.chosen = m.auth(l.server)
			return l.chosen.Start(offered)
		}
	}
	return "", nil, errors.Join(errLogin, errors.New("it offers none of PLAIN, LOGIN and CRAM-MD5"))
}

func (l *login) Next(challenge []byte, more bool) ([]byte, error) {
	return l.chosen.Next(challenge, more)
}
