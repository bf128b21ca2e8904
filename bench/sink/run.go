package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"tocsin/farend"
)

// Addresses says where a sink listens. It is the first line that Run writes.
type Addresses struct {
	Port    int                    `json:"port"`    // of webhook endpoints, on every address of 127.0.0.0/8
	Control string                 `json:"control"` // URL for a Client
	APNs    string                 `json:"apns"`    // URL of the push service
	Keys    farend.APNsCredentials `json:"keys"`    // for the push service
	SMTP    string                 `json:"smtp"`    // host:port of the mail server
}

// pushDelay is how long APNs takes to answer.
const pushDelay = 5 * time.Millisecond

// remembered is how many bytes of pushes and of mails are kept: more than can
// arrive before they are counted.
const remembered = 256 << 20

// Run listens on free ports of the loopback interface until ctx is done. It
// keeps the credentials of the push service in dir, and says in out where it
// listens.
func Run(ctx context.Context, dir string, out io.Writer) error {
	s := NewServer()
	pushed, mailed := farend.Log{MaxBytes: remembered}, farend.Log{MaxBytes: remembered}
	apns, err := farend.NewAPNsWith(&pushed, farend.APNsOptions{Delay: pushDelay, MaxConcurrentStreams: 1000})
	if err != nil {
		return err
	}
	defer apns.Close()
	keys, err := apns.WriteCredentials(dir)
	if err != nil {
		return err
	}
	inbox, err := farend.NewInbox(&mailed)
	if err != nil {
		return err
	}
	defer inbox.Close()
	go s.count(ctx, &pushed, "ios", "200")
	go s.count(ctx, &mailed, "email", "250")

	endpoints, control, err := listen(ctx)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(endpoints, s) }()         //nolint:gosec // on the loopback interface, for a benchmark
	go func() { failed <- http.Serve(control, s.Control()) }() //nolint:gosec // likewise
	err = json.NewEncoder(out).Encode(Addresses{
		Port:    endpoints.Addr().(*net.TCPAddr).Port,
		Control: "http://" + control.Addr().String(),
		APNs:    apns.URL(), Keys: keys, SMTP: inbox.Addr(),
	})
	if err != nil {
		return fmt.Errorf("say where the sink listens: %w", err)
	}
	select {
	case <-ctx.Done():
		return errors.Join(endpoints.Close(), control.Close())
	case err := <-failed:
		return fmt.Errorf("serve the sink: %w", err)
	}
}

func listen(ctx context.Context) (endpoints, control net.Listener, err error) {
	var config net.ListenConfig
	if endpoints, err = config.Listen(ctx, "tcp4", ":0"); err == nil {
		endpoints = loopback{endpoints}
		control, err = config.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	return endpoints, control, nil
}

// loopback takes connections of this machine alone, to any of its addresses: so
// endpoints can be on hosts of their own.
type loopback struct{ net.Listener }

func (l loopback) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if from, ok := conn.RemoteAddr().(*net.TCPAddr); ok && from.IP.IsLoopback() {
			return conn, nil
		}
		_ = conn.Close() // nobody we know
	}
}

// count counts what a far end records with the status that accepts.
func (s *Server) count(ctx context.Context, log *farend.Log, class, accepts string) {
	c := s.class(class)
	for counted := 0; ; {
		received, more := log.Since(counted)
		for _, r := range received {
			counted = r.Seq
			c.enter()
			if r.Status == accepts {
				c.accept(r.Delivery, r.At, time.Time{})
			}
			c.leave()
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}
