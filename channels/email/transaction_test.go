package email

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

// peer is a mail server that answers the next line with the next reply, for
// what no library's server does. It notes what it was told.
type peer struct {
	listener net.Listener
	hello    string
	replies  []string

	mu   sync.Mutex
	told []string
}

func startPeer(t *testing.T, hello string, replies ...string) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	p := &peer{listener: listener, hello: hello, replies: replies}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(t.Context(), func() { _ = conn.Close() }) // else the channel keeps it for another mail
			p.converse(conn)
		}
	}()
	return p
}

func (p *peer) converse(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprint(conn, "220 peer\r\n")
	lines := bufio.NewScanner(conn)
	for inText := false; lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "EHLO"):
			_, _ = fmt.Fprint(conn, p.hello)
			continue
		case inText && line != ".":
			continue
		}
		reply := p.next(line)
		inText = strings.HasPrefix(reply, "354")
		_, _ = fmt.Fprint(conn, reply, "\r\n")
	}
}

func (p *peer) next(line string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, line)
	switch {
	case len(p.replies) == 0 && line == "DATA":
		return "354 go"
	case len(p.replies) == 0:
		return "250 yes"
	}
	reply := p.replies[0]
	p.replies = p.replies[1:]
	return reply
}

func (p *peer) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.told, "\n")
}

const (
	plainHello     = "250 peer\r\n"
	pipelinedHello = "250-peer\r\n250 PIPELINING\r\n"
	sender         = "MAIL FROM:<notify@tocsin.example>"
	to             = "RCPT TO:<" + address + ">"
)

func (p *peer) open(t *testing.T) *channel {
	t.Helper()
	return open(t, Config{URL: "smtp://" + p.listener.Addr().String()})
}

// Without PIPELINING nothing is said before the last answer has come.
func TestServerThatDoesNotReadAhead(t *testing.T) {
	t.Parallel()
	p := startPeer(t, plainHello, "250 yes", "550 5.1.1 no", "250 reset", "250 yes", "250 yes", "354 go", "250 2.0.0 queued as 7")
	c := p.open(t)
	require.Equal(t, channels.Gone, channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "1"), target())).Kind)
	trial := channels.Try(t.Context(), c, delivery("job.fail", "2"), target())
	require.NoError(t, trial.Err)
	require.Equal(t, "250 2.0.0 queued as 7", trial.Excerpt)
	require.Equal(t, strings.Join([]string{sender, to, "RSET", sender, to, "DATA", "."}, "\n"), p.heard(),
		"a refusal ends the mail, and RSET begins the next")
}

// A server that reads ahead may ask for the text of a mail that it refuses
// (RFC 2920 section 3.1). It does not get it.
func TestServerThatWantsARefusedMail(t *testing.T) {
	t.Parallel()
	p := startPeer(t, pipelinedHello, "250 yes", "550 5.2.1 off", "354 go", "250 yes", "250 yes", "354 go", "250 yes")
	c := p.open(t)
	require.Equal(t, channels.Gone, channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "1"), target())).Kind)
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "2"), target()))
	require.Equal(t, strings.Join([]string{sender, to, "DATA", sender, to, "DATA", "."}, "\n"), p.heard(), "no dot for the first")
}

// The first refusal says why; those after it follow from it.
func TestFirstRefusalCounts(t *testing.T) {
	t.Parallel()
	p := startPeer(t, pipelinedHello, "451 4.3.0 later", "503 5.5.1 MAIL first", "503 5.5.1 RCPT first", "502 5.5.2 what?", "503 x", "503 x", "503 x")
	c := p.open(t)
	failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, channels.Temporary, failure.Kind)
	require.Equal(t, "451 4.3.0", failure.Status)

	failure = channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "2"), target()))
	require.Equal(t, channels.Temporary, failure.Kind, "a server that knows no RSET is not the mail's fault")
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "3"), target()), "in a session of its own")
}

func TestAddressBeyondASCII(t *testing.T) {
	t.Parallel()
	c := startPeer(t, plainHello).open(t)
	far := target()
	far.Settings = []byte(`{"address":"jürgen@example.com"}`)
	failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "1"), far))
	require.Equal(t, channels.Permanent, failure.Kind)
	require.ErrorContains(t, failure.Err, "SMTPUTF8")
}

// A server drops what idles, with 421 or without a word, and all sessions when
// it restarts. That costs no attempt.
func TestKeptSessionsThatWereClosed(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	var held []*session
	for range 3 {
		s, err := c.pool.take(t.Context())
		require.NoError(t, err)
		s.sent = 1
		held = append(held, s)
	}
	for _, s := range held {
		c.pool.give(s)
	}
	inbox.Disconnect()
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, 4, inbox.Sessions())

	mailed := 0
	inbox.Answer(func(s farend.InboxStep) error {
		if s.Command != "MAIL" {
			return nil
		}
		if mailed++; mailed == 1 {
			return farend.SMTPAnswer(421, [3]int{4, 4, 2}, "you slept")
		}
		return nil
	})
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "2"), target()))
	require.Equal(t, 5, inbox.Sessions())
	require.Len(t, received(log), 2)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Send(cancelled, delivery("job.fail", "3"), target()), context.Canceled)
}

// Behind a server that hangs a mail may find no session in its time. It says so,
// and that is no fault of its address.
func TestSessionsThatAreAllInUse(t *testing.T) {
	t.Parallel()
	inbox, _ := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	for range sessions {
		s, err := c.pool.take(t.Context())
		require.NoError(t, err)
		defer c.pool.give(s)
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	failure := channels.FailureOf(c.Send(soon, delivery("job.fail", "1"), target()))
	require.Equal(t, channels.Temporary, failure.Kind)
	require.ErrorContains(t, &failure, "all sessions with it were in use")
	require.ErrorIs(t, failure.Err, context.DeadlineExceeded)
	require.Equal(t, sessions, inbox.Sessions())
}
