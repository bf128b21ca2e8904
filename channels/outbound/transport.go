package outbound

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	// idlePerHost is a host's share of idleConns: as many as a worker has
	// attempts at a time to one host, so that none closes a connection that the
	// next one needs. With 64 for 256, a burst of deliveries spent 10 % of the
	// worker's processor time on dialling (tocsin bench run fan-out).
	idlePerHost = 128
	// idleConns bounds what is kept for many hosts: a connection for each of
	// 1,000, which is used again before it is the oldest. Each has two goroutines,
	// whose stacks the garbage collector looks through every time: with twice as
	// many, an event for 10,000 hosts took 28 MB more (tocsin bench run
	// large-account).
	idleConns = 1024
	// idleTimeout also bounds how long a connection outlives a change of the
	// host's address.
	idleTimeout = 90 * time.Second
	// tlsSessions lets returning endpoints skip the costly half of a handshake.
	tlsSessions = 1024
	// http2Silence is when a connection that has gone quiet is probed, so that
	// a dead one does not swallow every request to its host.
	http2Silence = 15 * time.Second

	longestHeader = 64 << 10

	// bufferSize is half of net/http's: a request and the head of an answer fit,
	// and a worker keeps two of these for each of idleConns.
	bufferSize = 2 << 10
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func newTransport(dial dialFunc, security *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // behind a proxy the guard would see only the proxy's address
		DialContext:            dial,
		TLSClientConfig:        security,
		TLSHandshakeTimeout:    LongestTimeout,
		ForceAttemptHTTP2:      true, // a DialContext of one's own switches HTTP/2 off
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: http2Silence},
		DisableCompression:     true,
		MaxResponseHeaderBytes: longestHeader,
		ReadBufferSize:         bufferSize,
		WriteBufferSize:        bufferSize,
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
	}
}
