package email

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// step is a point of the dialogue at which the server answers.
type step string

const (
	stepReset     step = "RSET"
	stepSender    step = "MAIL"
	stepRecipient step = "RCPT"
	stepData      step = "DATA"
	stepEnd       step = "the end of the mail"
)

// letter is a mail with its envelope.
type letter struct {
	from, to string
	text     []byte // headers and body with CRLF, not dot-stuffed
}

// reply is what a server answers.
type reply struct {
	code int
	text string // lines separated by LF
}

var enhancedPattern = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// enhanced is the enhanced status code (RFC 3463), empty without one.
func (r reply) enhanced() string { return enhancedPattern.FindString(r.text) }

// status is code and enhanced status code.
func (r reply) status() string {
	return strings.TrimSpace(fmt.Sprint(r.code, " ", r.enhanced()))
}

func (r reply) String() string { return fmt.Sprint(r.code, " ", r.text) }

// refusal is a reply that says no.
type refusal struct {
	reply
	step step
}

func (r *refusal) Error() string { return fmt.Sprintf("refused at %s: %s", r.step, r.reply) }

// lost is a connection that broke while an answer was due.
type lost struct {
	step step
	err  error
}

func (l *lost) Error() string {
	if l.step == stepEnd {
		return "the connection broke after the whole mail and before the answer, so it may arrive twice: " + l.err.Error()
	}
	return fmt.Sprintf("the connection broke at %s: %s", l.step, l.err)
}

func (l *lost) Unwrap() error { return l.err }

// isStale reports whether a session was closed before it was used again, by
// hanging up, or by 421 in answer to the first command.
func isStale(err error) bool {
	if broken, ok := errors.AsType[*lost](err); ok {
		return broken.step != stepEnd
	}
	refused, ok := refusalIn(err)
	return ok && refused.code == codeClosing && (refused.step == stepReset || refused.step == stepSender)
}

type command struct {
	step step
	line string
	want int // code, or its first digit
}

// commands begin with RSET after a mail that was refused, since the server may
// still be in the middle of it.
func (s *session) commands(l letter) []command {
	sender := "MAIL FROM:<" + l.from + ">"
	if s.utf8 && !isASCII(l.from+l.to) {
		sender += " SMTPUTF8"
	}
	all := []command{
		{stepSender, sender, 2},
		{stepRecipient, "RCPT TO:<" + l.to + ">", 2},
		{stepData, "DATA", 354},
	}
	if s.unfinished {
		return slices.Insert(all, 0, command{stepReset, "RSET", 2})
	}
	return all
}

// send hands over one mail, or says why the server does not take it.
func (s *session) send(ctx context.Context, l letter) (said reply, err error) {
	s.sent++
	if !s.utf8 && !isASCII(l.from+l.to) {
		return reply{}, errNeedsUTF8
	}
	s.guarded(ctx, func() {
		if err = s.smtp.UpdateDeadline(replyTimeout); err != nil {
			err = &lost{stepSender, err}
		} else if err = s.offer(s.commands(l)); err == nil {
			said, err = s.content(l.text)
		}
	})
	refused, isRefusal := refusalIn(err)
	s.unfinished = isRefusal
	if err != nil && (!isRefusal || refused.code == codeClosing || refused.step == stepReset) {
		s.broken = true
	}
	return said, err
}

// errNeedsUTF8 is about an address that this server cannot write (RFC 6531).
var errNeedsUTF8 = errors.New("the mail server takes no addresses with letters beyond ASCII (SMTPUTF8)")

// offer says the commands, in one go if the server reads ahead.
func (s *session) offer(commands []command) error {
	group := 1
	if s.pipelines {
		group = len(commands)
	}
	for together := range slices.Chunk(commands, group) {
		if err := s.exchange(together); err != nil {
			return err
		}
	}
	return nil
}

// exchange reads all answers and gives the first refusal. A server that wants
// the text of a mail that it has refused is left alone with that wish.
func (s *session) exchange(commands []command) (first error) {
	text := s.smtp.Text
	for _, c := range commands {
		_, _ = text.W.WriteString(c.line + "\r\n") // Flush reports it
	}
	if err := text.W.Flush(); err != nil {
		return &lost{commands[0].step, err}
	}
	for _, c := range commands {
		_, err := s.answer(c.step, c.want)
		if _, broke := errors.AsType[*lost](err); broke && first == nil {
			return err
		} else if broke {
			s.broken = true
			return first
		}
		if err == nil && c.step == stepData && first != nil {
			s.broken = true
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (s *session) answer(at step, want int) (reply, error) {
	code, text, err := s.smtp.Text.ReadResponse(want)
	if said, ok := errors.AsType[*textproto.Error](err); ok {
		return reply{}, &refusal{reply{said.Code, said.Msg}, at}
	}
	if err != nil {
		return reply{}, &lost{at, err}
	}
	return reply{code, text}, nil
}

// content ends with the dot, from which on the mail may be the server's.
func (s *session) content(text []byte) (reply, error) {
	w := s.smtp.Text.DotWriter()
	if _, err := w.Write(text); err != nil {
		return reply{}, &lost{stepData, err}
	}
	if err := w.Close(); err != nil {
		return reply{}, &lost{stepEnd, err}
	}
	return s.answer(stepEnd, 2)
}
