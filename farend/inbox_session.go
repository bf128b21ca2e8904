package farend

import (
	"errors"
	"io"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// inboxSession is one connection's dialogue.
type inboxSession struct {
	inbox      *Inbox
	conn       *smtp.Conn
	loggedIn   bool
	recipients []string
}

func (i *Inbox) newSession(conn *smtp.Conn) (smtp.Session, error) {
	s := &inboxSession{inbox: i, conn: conn}
	if err := s.ask("EHLO", ""); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *inboxSession) ask(command, recipient string) error {
	err := s.inbox.ask(command, recipient)
	if errors.Is(err, ErrHangUp) {
		_ = s.conn.Conn().Close() // hanging up is the purpose
	}
	return err
}

func (s *inboxSession) Reset()        { s.recipients = nil }
func (s *inboxSession) Logout() error { return nil }

func (s *inboxSession) AuthMechanisms() []string {
	if s.inbox.options.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *inboxSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != s.inbox.options.Username || password != s.inbox.options.Password {
			return smtp.ErrAuthFailed
		}
		s.loggedIn = true
		return nil
	}), nil
}

func (s *inboxSession) Mail(string, *smtp.MailOptions) error {
	if s.inbox.options.Username != "" && !s.loggedIn {
		return SMTPAnswer(530, [3]int{5, 7, 0}, "Authentication required") // RFC 4954 section 6
	}
	return s.ask("MAIL", "")
}

func (s *inboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.ask("RCPT", to); err != nil {
		s.record(Received{To: to, Status: statusOf(err)})
		return err
	}
	s.recipients = append(s.recipients, to)
	return nil
}

func (s *inboxSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	mail, err := readMail(raw)
	for _, to := range s.recipients {
		if err == nil {
			err = s.ask("DATA", to)
		}
		mail.To, mail.Status = to, statusOf(err)
		s.record(mail)
	}
	return err
}

func (s *inboxSession) record(r Received) {
	r.At, r.Channel = time.Now(), "email"
	s.inbox.log.Record(r)
}
