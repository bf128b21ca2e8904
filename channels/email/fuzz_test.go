package email

import (
	"bytes"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/wneessen/go-mail/smtp"

	"tocsin/channels"
)

// recital is a connection on which the server says its lines whatever it is
// told.
type recital struct{ io.Reader }

func (recital) Write(p []byte) (int, error) { return len(p), nil }
func (recital) Close() error                { return nil }

// Whatever a server says to a mail, the transaction ends, and its outcome is
// one line without the address, the password or a link.
func FuzzReplies(f *testing.F) {
	f.Add([]byte("250 ok\r\n250 ok\r\n354 go on\r\n250 2.0.0 queued\r\n"))
	f.Add([]byte("250 ok\r\n550 5.1.1 <ada@example.com> hunter2secret\r\n554 no\r\n"))
	f.Add([]byte("250-a\r\n250 b\r\n250 ok\r\n354 x\r\n554-5.7.1 https://tocsin.example/unsubscribe/abc\r\n554 5.7.1 end\r\n"))
	f.Add([]byte("421 4.3.2 \xff\x00\r\n"))
	f.Add([]byte("2500 ok\r\n-1 \r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		session := &session{smtp: &smtp.Client{Text: textproto.NewConn(recital{bytes.NewReader(said)})}}
		err := session.exchange([]command{
			{stepSender, "MAIL FROM:<a@tocsin.example>", 2}, {stepRecipient, "RCPT TO:<ada@example.com>", 2}, {stepData, "DATA", 3},
		})
		if err == nil {
			_, err = session.content([]byte("text\r\n"))
		}
		if err == nil {
			return
		}
		s := server{host: "mail.example", username: "relay", password: "hunter2secret"}
		failure := s.failure(t.Context(), err, "ada@example.com", time.Now())
		require.Equal(t, failure.Kind == channels.Gone, !failure.Since.IsZero())
		for _, text := range []string{failure.Error(), failure.Status} {
			require.NotContains(t, text, "\n")
			require.NotContains(t, text, "ada@example.com")
			require.NotContains(t, text, "hunter2secret")
			require.NotContains(t, text, "https://")
			require.LessOrEqual(t, utf8.RuneCountInString(text), 2*longestReply)
		}
	})
}

// An address that passes needs no quoting anywhere.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"ada@example.com", "jürgen@bücher.example", "a\r\nb@c", "\"a b\"@c.example", "a@[127.0.0.1]", "@", "a@b@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if checkAddress(address) != nil {
			return
		}
		require.False(t, strings.ContainsAny(address, "\r\n <>,;\x00"), "%q", address)
		require.LessOrEqual(t, len(address), 254)
	})
}
