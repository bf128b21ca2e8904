package farend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Inbox is a mail server on the loopback interface that takes mails for
// anybody and refuses those that break RFC 5321 or RFC 5322.
type Inbox struct {
	log      *Log
	options  InboxOptions
	roots    []byte // PEM of the authority of its certificate; nil without TLS
	listener *countingListener
	server   *smtp.Server

	mu     sync.Mutex
	answer func(InboxStep) error
	steps  map[InboxStep]int // how often, by step without N
}

// InboxOptions say what the server offers and demands beyond plain SMTP.
type InboxOptions struct {
	STARTTLS bool // offers STARTTLS with a certificate of its own authority
	TLS      bool // speaks TLS from the first byte, as port 465 does

	// Who must log in before a mail is taken. Empty: nobody has to. The login
	// is offered inside TLS only.
	Username, Password string
}

// InboxStep is a point of the dialogue at which the far end may say no.
type InboxStep struct {
	Command   string // "EHLO", "MAIL", "RCPT" or "DATA", the last after the whole mail has come
	Recipient string // of RCPT and DATA
	N         int    // which time this step is taken for this recipient, from 1
}

// ErrHangUp makes an Inbox close the connection in place of an answer.
var ErrHangUp = errors.New("hang up")

// SMTPAnswer is a refusal to return from a script: code and, if the server
// gives one, enhanced status code (RFC 3463).
func SMTPAnswer(code int, enhanced [3]int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// NewInbox starts a mail server without TLS and login.
func NewInbox(log *Log) (*Inbox, error) {
	return NewInboxWith(log, InboxOptions{})
}

// NewInboxWith starts a mail server.
func NewInboxWith(received *Log, options InboxOptions) (*Inbox, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	i := &Inbox{
		log:      received,
		options:  options,
		listener: &countingListener{Listener: listener, open: map[net.Conn]struct{}{}},
		steps:    map[InboxStep]int{},
	}
	if err := i.serve(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return i, nil
}

func (i *Inbox) serve() error {
	i.server = smtp.NewServer(smtp.BackendFunc(i.newSession))
	i.server.Domain = "inbox.localhost"
	i.server.ErrorLog = log.New(io.Discard, "", 0)
	i.server.MaxMessageBytes = 1 << 20
	i.server.MaxLineLength = 1 << 16 // longer than allowed, so that we answer a long line and not hang up
	i.server.EnableSMTPUTF8 = true
	i.server.ReadTimeout = 5 * time.Minute // RFC 5321 section 4.5.3.2.7
	var listener net.Listener = i.listener
	if i.options.STARTTLS || i.options.TLS {
		authority, err := newAuthority()
		if err != nil {
			return err
		}
		config, err := authority.serverTLS()
		if err != nil {
			return err
		}
		i.roots = authority.pem()
		if i.options.TLS {
			listener = tls.NewListener(listener, config)
		} else {
			i.server.TLSConfig = config
		}
	}
	go func() { _ = i.server.Serve(listener) }() // ends by Close, which reports what is worth reporting
	return nil
}

// Addr is host and port of the server.
func (i *Inbox) Addr() string { return i.listener.Addr().String() }

// RootsPEM is the authority that signed the server's certificate; nil if it
// speaks no TLS.
func (i *Inbox) RootsPEM() []byte { return slices.Clone(i.roots) }

// Close stops the server and drops its connections.
func (i *Inbox) Close() error { return i.server.Close() }

// Sessions counts the connections that were ever made.
func (i *Inbox) Sessions() int { return i.listener.count() }

// Open counts the connections that are open now.
func (i *Inbox) Open() int { return len(i.listener.opened()) }

// Disconnect drops all connections, as a server does that restarts.
func (i *Inbox) Disconnect() {
	for _, conn := range i.listener.opened() {
		_ = conn.Close() // dropping is the purpose
	}
}

// Answer makes the server ask before each step: nil goes on, an error of
// SMTPAnswer refuses, ErrHangUp drops the connection. A script that blocks
// makes a server that hangs. It is called from many goroutines.
func (i *Inbox) Answer(script func(InboxStep) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = script
}

func (i *Inbox) ask(command, recipient string) error {
	step := InboxStep{Command: command, Recipient: recipient}
	i.mu.Lock()
	i.steps[step]++
	n, script := i.steps[step], i.answer
	i.mu.Unlock()
	if script == nil {
		return nil
	}
	step.N = n
	return script(step)
}

// statusOf writes an answer as Received does: "550 5.1.1".
func statusOf(err error) string {
	if err == nil {
		return "250"
	}
	refusal, ok := errors.AsType[*smtp.SMTPError](err)
	if !ok {
		return ""
	}
	enhanced := refusal.EnhancedCode
	if enhanced == smtp.EnhancedCodeNotSet || enhanced == smtp.NoEnhancedCode {
		return fmt.Sprint(refusal.Code)
	}
	return fmt.Sprintf("%d %d.%d.%d", refusal.Code, enhanced[0], enhanced[1], enhanced[2])
}

// countingListener knows the connections that it accepted.
type countingListener struct {
	net.Listener
	mu       sync.Mutex
	accepted int
	open     map[net.Conn]struct{}
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted++
	l.open[conn] = struct{}{}
	return &countedConn{Conn: conn, forget: func() { l.forget(conn) }}, nil
}

func (l *countingListener) forget(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, conn)
}

func (l *countingListener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

func (l *countingListener) opened() []net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.open))
}

type countedConn struct {
	net.Conn
	forget func()
}

func (c *countedConn) Close() error {
	c.forget()
	return c.Conn.Close()
}
