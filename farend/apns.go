package farend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// APNs is Apple's push service on the loopback interface: HTTP/2 inside TLS,
// one app, one provider. It refuses what Apple documents to refuse ("Sending
// notification requests to APNs", "Handling notification responses from APNs").
type APNs struct {
	log       *Log
	authority *authority
	key       *ecdsa.PrivateKey // of the provider; whoever has WriteCredentials' file
	listener  net.Listener
	secure    *tls.Config
	bearers   bearers
	delay     time.Duration

	mu      sync.Mutex
	answers map[string][]APNsAnswer // what is left of each device token's script
	conns   map[*apnsConn]struct{}
	made    int    // connections, ever
	limit   int    // of streams of a connection
	refusal string // reason that new connections are refused for
	refused int    // streams beyond the limit
	holding bool
}

// APNsOptions say how the server differs from the usual.
type APNsOptions struct {
	MaxConcurrentStreams int              // of a connection that has carried a valid push; 0: 100
	Delay                time.Duration    // from push to answer
	Now                  func() time.Time // the server's clock; nil: the machine's
}

// APNsAnswer is one scripted answer.
type APNsAnswer struct {
	Status int       // HTTP status; 0: 200
	Reason string    // "Unregistered"
	Since  time.Time // of status 410: from when on the token is dead
	Body   string    // in place of the JSON that Status and Reason make, as a broken proxy sends
	Hang   bool      // no answer until the client gives up
}

// NewAPNs starts a push service.
func NewAPNs(log *Log) (*APNs, error) {
	return NewAPNsWith(log, APNsOptions{})
}

// NewAPNsWith starts a push service with options.
func NewAPNsWith(received *Log, options APNsOptions) (*APNs, error) {
	authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make provider key: %w", err)
	}
	secure, err := authority.serverTLS("api.push.apple.com", "api.sandbox.push.apple.com")
	if err != nil {
		return nil, err
	}
	secure.NextProtos = []string{"h2"}
	secure.ClientAuth = tls.VerifyClientCertIfGiven
	secure.ClientCAs = x509.NewCertPool()
	secure.ClientCAs.AddCert(authority.certificate)
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for pushes: %w", err)
	}
	a := &APNs{
		log: received, authority: authority, key: key, listener: listener, secure: secure,
		bearers: bearers{key: &key.PublicKey, now: options.Now, known: map[string]time.Time{}},
		delay:   options.Delay,
		answers: map[string][]APNsAnswer{},
		conns:   map[*apnsConn]struct{}{},
		limit:   100,
	}
	if a.bearers.now == nil {
		a.bearers.now = time.Now
	}
	if options.MaxConcurrentStreams > 0 {
		a.limit = options.MaxConcurrentStreams
	}
	go a.accept() // ends by Close
	return a, nil
}

func (a *APNs) accept() {
	for {
		plain, err := a.listener.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		a.made++
		c := newAPNsConn(a, plain, a.limit)
		a.conns[c] = struct{}{}
		a.mu.Unlock()
		go c.serve()
	}
}

func (a *APNs) forget(c *apnsConn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
}

// URL is what to set as TOCSIN_APNS_URL.
func (a *APNs) URL() string { return "https://" + a.listener.Addr().String() }

// Close stops the server and drops its connections.
func (a *APNs) Close() error {
	err := a.listener.Close()
	a.Disconnect()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Connections counts the connections that were ever made.
func (a *APNs) Connections() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.made
}

// RefusedStreams counts the pushes that were refused because there were more
// at a time than the connection allows: one until it has carried a valid push
// with a provider token, then what the server announced.
func (a *APNs) RefusedStreams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused
}

// Answer sets what valid pushes to a device token are answered, one after the
// other; then it is 200 again.
func (a *APNs) Answer(token string, answers ...APNsAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[token] = slices.Clone(answers)
}

func (a *APNs) nextAnswer(token string) APNsAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	script := a.answers[token]
	if len(script) == 0 {
		return APNsAnswer{Status: http.StatusOK}
	}
	a.answers[token] = script[1:]
	return script[0]
}

// judge says what to answer to a push, and whether it was valid.
func (a *APNs) judge(r *apnsRequest, conn *apnsConn) (answer APNsAnswer, valid bool) {
	reason := a.reasonAgainst(r, conn)
	if reason == "" {
		answer = a.nextAnswer(r.token)
	} else {
		answer = APNsAnswer{Status: apnsStatus[reason], Reason: reason}
	}
	a.log.Record(Received{
		At: time.Now(), Channel: "ios", Delivery: r.id(), To: r.token,
		Title: r.title(), Text: string(r.body), Raw: r.raw(), Status: answer.line(),
	})
	return answer, reason == ""
}
