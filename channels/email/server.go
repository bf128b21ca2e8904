package email

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// server says how to reach and use one mail server.
type server struct {
	host     string
	port     int
	implicit bool // TLS from the first byte (RFC 8314 section 3.3)
	starttls gomail.TLSPolicy
	tls      *tls.Config
	username string
	password string
}

// replyTimeout is what RFC 5321 section 4.5.3.2.6 asks a client to wait for the
// answer to a whole mail; giving up earlier makes duplicates. The context of
// an attempt is shorter as a rule, and ends it.
const replyTimeout = 10 * time.Minute

func parseServer(raw string) (server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return server{}, errors.New("not a URL; write smtp://user:password@host:587") // err holds the password
	}
	s := server{host: u.Hostname(), username: u.User.Username(), implicit: u.Scheme == "smtps"}
	s.password, _ = u.User.Password()
	if u.Scheme != "smtp" && u.Scheme != "smtps" {
		return s, errors.New("the scheme is neither smtp nor smtps")
	}
	if s.host == "" {
		return s, errors.New("names no host")
	}
	if s.port, err = s.parsePort(u.Port()); err != nil {
		return s, err
	}
	return s, s.chooseTLS(u.Query().Get("tls"))
}

// parsePort defaults to 465 and 587, the ports of RFC 8314.
func (s *server) parsePort(given string) (int, error) {
	if given == "" && s.implicit {
		return 465, nil
	}
	port, err := strconv.ParseUint(cmp.Or(given, "587"), 10, 16)
	if err != nil || port == 0 {
		return 0, errors.New("the port is not a number up to 65535")
	}
	return int(port), nil
}

func (s *server) chooseTLS(asked string) error {
	s.tls = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if s.implicit {
		s.starttls = gomail.NoTLS // already inside
		if asked != "" {
			return errors.New("tls= is for smtp://; smtps:// is always inside TLS")
		}
		return nil
	}
	if asked == "" && isLocal(s.host) {
		asked = "opportunistic"
	}
	policy, known := tlsPolicies[cmp.Or(asked, "required")]
	if !known {
		return errors.New("tls= is none, opportunistic or required")
	}
	s.starttls = policy
	if policy != gomail.TLSMandatory && s.username != "" && !isLocal(s.host) {
		return errors.New("a password is sent only with tls=required")
	}
	// TLS that may be absent protects from listeners only, so a certificate
	// that cannot be verified is no reason to do without (RFC 7435).
	s.tls.InsecureSkipVerify = policy == gomail.TLSOpportunistic
	return nil
}

var tlsPolicies = map[string]gomail.TLSPolicy{
	"none":          gomail.NoTLS,
	"opportunistic": gomail.TLSOpportunistic,
	"required":      gomail.TLSMandatory,
}

// dial opens a session: connection, TLS and login.
func (s server) dial(ctx context.Context) (*session, error) {
	raw, conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	opened := &session{raw: raw}
	opened.guarded(ctx, func() { opened.smtp, err = s.greet(ctx, conn) })
	if err != nil {
		opened.drop()
		return nil, err
	}
	opened.pipelines, _ = opened.smtp.Extension("PIPELINING")
	opened.utf8, _ = opened.smtp.Extension("SMTPUTF8")
	return opened, nil
}

// greet says hello, switches to TLS and logs in. The transactions after that
// are ours, because the library's wait for every answer.
func (s server) greet(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	client, err := gomail.NewClient(s.host, s.options(conn)...)
	if err != nil {
		return nil, fmt.Errorf("set up SMTP client: %w", err)
	}
	return client.DialToSMTPClientWithContext(ctx)
}

// connect gives the TCP connection and what to speak SMTP on: the same, or TLS
// on top of it.
func (s server) connect(ctx context.Context) (raw, conn net.Conn, err error) {
	dialled, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(s.host, strconv.Itoa(s.port)))
	if err != nil {
		return nil, nil, err
	}
	raw = &boundedConn{Conn: dialled}
	if !s.implicit {
		return raw, raw, nil
	}
	secure := tls.Client(raw, s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, nil, errors.Join(err, raw.Close())
	}
	return raw, secure, nil
}

func (s server) options(conn net.Conn) []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(s.port),
		gomail.WithTimeout(replyTimeout),
		gomail.WithTLSPolicy(s.starttls),
		gomail.WithTLSConfig(s.tls),
		gomail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
	}
	if s.username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&login{server: s}))
	}
	return options
}

// secrets are what no text may repeat: the password, also as PLAIN wraps it
// (RFC 4616).
func (s server) secrets() []string {
	return []string{s.password, "\x00" + s.username + "\x00" + s.password}
}
