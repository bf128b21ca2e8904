package email

import (
	"bufio"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serveLogins answers a mail server that asks who may log in, as Dovecot does
// (Authentication Protocol v1.2): "relay" with the password "hunter2", by one
// mechanism.
func serveLogins(t *testing.T, socket, mechanism string) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(socket, 0o666))
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerLogins(conn, mechanism)
		}
	}()
}

const challenge = "<1.2@mta.example>"

func answerLogins(conn net.Conn, mechanism string) {
	defer conn.Close()
	fmt.Fprintf(conn, "VERSION\t1\t2\nMECH\t%s\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n", mechanism)
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	asked := map[string][]string{} // what each login was answered so far, by its number
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		if fields[0] != "AUTH" && fields[0] != "CONT" {
			continue
		}
		id, last := fields[1], fields[len(fields)-1]
		if given, found := strings.CutPrefix(last, "resp="); found || fields[0] == "CONT" {
			text, _ := base64.StdEncoding.DecodeString(given)
			asked[id] = append(asked[id], string(text))
		}
		switch said := strings.Join(asked[id], "\x00"); {
		case mechanism == "LOGIN" && len(asked[id]) < 2:
			fmt.Fprintf(conn, "CONT\t%s\t%s\n", id, encode([]string{"Username:", "Password:"}[len(asked[id])]))
		case mechanism == "CRAM-MD5" && len(asked[id]) < 1:
			fmt.Fprintf(conn, "CONT\t%s\t%s\n", id, encode(challenge))
		case said == rightAnswer(mechanism):
			fmt.Fprintf(conn, "OK\t%s\tuser=relay\n", id)
		default:
			fmt.Fprintf(conn, "FAIL\t%s\tuser=relay\n", id)
		}
	}
}

// rightAnswer is what the client says in all: RFC 4616, the LOGIN of Microsoft,
// RFC 2195.
func rightAnswer(mechanism string) string {
	switch mechanism {
	case "PLAIN":
		return "\x00relay\x00hunter2"
	case "LOGIN":
		return "relay\x00hunter2"
	}
	mac := hmac.New(md5.New, []byte("hunter2"))
	mac.Write([]byte(challenge))
	return "relay " + hex.EncodeToString(mac.Sum(nil))
}

// hangUp ends the sessions that nobody uses.
func hangUp(c *channel) {
	for s := c.pool.pop(); s != nil; s = c.pool.pop() {
		s.quit()
	}
}
