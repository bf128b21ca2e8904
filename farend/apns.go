package farend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
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
	listener  *countingListener
	server    *http.Server

	mu      sync.Mutex
	answers map[string][]APNsAnswer // what is left of each device token's script
	early   int
}

// APNsOptions say how the server differs from the usual.
type APNsOptions struct {
	MaxConcurrentStreams int // as advertised in SETTINGS; 0: 100
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for pushes: %w", err)
	}
	a := &APNs{
		log: received, authority: authority, key: key,
		listener: &countingListener{Listener: listener, open: map[net.Conn]struct{}{}},
		answers:  map[string][]APNsAnswer{},
	}
	if err := a.serve(options); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return a, nil
}

func (a *APNs) serve(options APNsOptions) error {
	config, err := a.authority.serverTLS()
	if err != nil {
		return err
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(a.authority.certificate)
	a.server = &http.Server{
		Handler:           http.HandlerFunc(a.push),
		TLSConfig:         config,
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: time.Minute,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: options.MaxConcurrentStreams},
		Protocols:         new(http.Protocols),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, apnsConnKey{}, &apnsConn{open: map[context.Context]struct{}{}})
		},
	}
	a.server.Protocols.SetHTTP2(true)
	if options.MaxConcurrentStreams == 0 {
		a.server.HTTP2.MaxConcurrentStreams = 100
	}
	go func() { _ = a.server.ServeTLS(a.listener, "", "") }() // ends by Close
	return nil
}

// URL is what to set as TOCSIN_APNS_URL.
func (a *APNs) URL() string { return "https://" + a.listener.Addr().String() }

// Close stops the server and drops its connections.
func (a *APNs) Close() error { return a.server.Close() }

// Connections counts the connections that were ever made.
func (a *APNs) Connections() int { return a.listener.count() }

// Disconnect drops all connections, as Apple does to move load.
func (a *APNs) Disconnect() {
	for _, conn := range a.listener.opened() {
		_ = conn.Close() // dropping is the purpose
	}
}

// EarlyStreams counts the pushes that were refused because the connection had
// not carried a valid one yet: Apple allows one stream until then.
func (a *APNs) EarlyStreams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.early
}

// Answer sets what valid pushes to a device token are answered, one after the
// other; then it is 200 again.
func (a *APNs) Answer(token string, answers ...APNsAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[token] = answers
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

// push answers one request.
func (a *APNs) push(w http.ResponseWriter, r *http.Request) {
	conn := r.Context().Value(apnsConnKey{}).(*apnsConn)
	if !conn.enter(r.Context()) {
		a.mu.Lock()
		a.early++
		a.mu.Unlock()
		panic(http.ErrAbortHandler) // resets the stream
	}
	valid := false
	defer func() { conn.leave(r.Context(), valid) }()
	request, err := readAPNsRequest(r)
	if err != nil {
		return // the client went away
	}
	answer := APNsAnswer{Reason: a.reasonAgainst(request, conn)}
	if answer.Status = apnsStatus[answer.Reason]; answer.Reason == "" {
		valid = true
		answer = a.nextAnswer(request.token)
	}
	a.record(request, answer)
	if answer.Hang {
		<-r.Context().Done()
		return
	}
	answer.write(w, request.id())
}

func (a *APNs) record(r *apnsRequest, answer APNsAnswer) {
	a.log.Record(Received{
		At: time.Now(), Channel: "ios", Delivery: r.id(), To: r.token,
		Title: r.title(), Text: string(r.body), Raw: r.raw(), Status: answer.line(),
	})
}

func (answer APNsAnswer) status() int {
	if answer.Status == 0 {
		return http.StatusOK
	}
	return answer.Status
}

// line is the Status of a Received: empty if nothing is said.
func (answer APNsAnswer) line() string {
	switch {
	case answer.Hang:
		return ""
	case answer.Reason == "":
		return fmt.Sprint(answer.status())
	}
	return fmt.Sprint(answer.status(), " ", answer.Reason)
}

// write answers as Apple does: an empty body for 200, else JSON with the
// reason and, of 410, the moment in milliseconds.
func (answer APNsAnswer) write(w http.ResponseWriter, id string) {
	w.Header().Set("apns-id", id)
	w.WriteHeader(answer.status())
	if answer.Body != "" || answer.Reason == "" {
		_, _ = io.WriteString(w, answer.Body) // the client has gone, if it fails
		return
	}
	body := map[string]any{"reason": answer.Reason}
	if !answer.Since.IsZero() {
		body["timestamp"] = answer.Since.UnixMilli()
	}
	_ = json.NewEncoder(w).Encode(body)
}
