package outbound

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// names is a DNS server that answers each question for a name with the next
// of its lists of addresses, and the last one ever after.
type names struct {
	conn    net.PacketConn
	mu      sync.Mutex
	answers map[string][][]string
}

func serveNames(t *testing.T, answers map[string][][]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	n := &names{conn: conn, answers: answers}
	var serving sync.WaitGroup
	serving.Go(n.serve)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		serving.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

func (n *names) serve() {
	buffer := make([]byte, 4096)
	for {
		size, from, err := n.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:size]) != nil || len(query.Questions) != 1 {
			continue
		}
		if reply, err := n.reply(query); err == nil {
			_, _ = n.conn.WriteTo(reply, from)
		}
	}
}

func (n *names) reply(query dnsmessage.Message) ([]byte, error) {
	question := query.Questions[0]
	reply := dnsmessage.Message{Questions: query.Questions}
	reply.Header = dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionAvailable: true}
	addresses, known := n.next(strings.TrimSuffix(question.Name.String(), "."), question.Type)
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, address := range addresses {
		reply.Answers = append(reply.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
		})
	}
	return reply.Pack()
}

// next serves IPv4 only: questions for IPv6 addresses get an empty answer and
// do not count.
func (n *names) next(name string, asked dnsmessage.Type) ([]string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	queued, known := n.answers[name]
	if !known || asked != dnsmessage.TypeA {
		return nil, known
	}
	if len(queued) > 1 {
		n.answers[name] = queued[1:]
	}
	return queued[0], true
}
