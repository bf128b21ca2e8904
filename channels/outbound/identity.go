package outbound

import (
	"container/list"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
)

// Identity is a client certificate with its chain, and its private key, both
// PEM: what an endpoint that wants mutual TLS is shown.
type Identity struct {
	Certificate string
	Key         string
}

// longestPEM is ample for a chain of four certificates with RSA keys.
const longestPEM = 32 << 10

// Check says what is wrong with an identity that is not zero, in words for the
// user. Post refuses it in the same words.
func (id Identity) Check() error {
	_, err := id.pair()
	return err
}

func (id Identity) pair() (tls.Certificate, error) {
	switch {
	case id.Certificate == "" || id.Key == "":
		return tls.Certificate{}, errors.New("a client certificate and its key are needed together")
	case len(id.Certificate) > longestPEM || len(id.Key) > longestPEM:
		return tls.Certificate{}, errors.New("the client certificate or its key is longer than 32 KiB")
	}
	pair, err := tls.X509KeyPair([]byte(id.Certificate), []byte(id.Key))
	if err != nil { // the cause may quote what should have been a key
		return tls.Certificate{}, errors.New("the client certificate and its key are not PEM, or do not belong together")
	}
	return pair, nil
}

// keptIdentities bounds the transports that are kept for identities. The one
// that was used longest ago goes first.
const keptIdentities = 64

// identities has a transport for each identity, so that no connection and no
// TLS session of one is ever used for another.
type identities struct {
	transport func([]tls.Certificate) *http.Transport

	mu     sync.Mutex
	known  map[[sha256.Size]byte]*list.Element
	recent list.List // of *identified, the one used last in front
}

type identified struct {
	key       [sha256.Size]byte
	transport *http.Transport
	users     int
	dropped   bool
}

// acquire finds or makes the transport. It may be used until release.
func (all *identities) acquire(id Identity) (*http.Transport, func(), error) {
	key := id.digest()
	all.mu.Lock()
	defer all.mu.Unlock()
	element, found := all.known[key]
	if !found {
		pair, err := id.pair()
		if err != nil {
			return nil, nil, err
		}
		element = all.add(&identified{key: key, transport: all.transport([]tls.Certificate{pair})})
	}
	all.recent.MoveToFront(element)
	entry := element.Value.(*identified)
	entry.users++
	return entry.transport, func() { all.release(entry) }, nil
}

// digest is a key that does not keep the private key in memory once more.
func (id Identity) digest() [sha256.Size]byte {
	return sha256.Sum256([]byte(id.Certificate + "\x00" + id.Key))
}

func (all *identities) add(entry *identified) *list.Element {
	if all.known == nil {
		all.known = map[[sha256.Size]byte]*list.Element{}
	}
	if all.recent.Len() >= keptIdentities {
		all.drop(all.recent.Back())
	}
	element := all.recent.PushFront(entry)
	all.known[entry.key] = element
	return element
}

func (all *identities) drop(element *list.Element) {
	entry := all.recent.Remove(element).(*identified)
	delete(all.known, entry.key)
	entry.dropped = true
	entry.transport.CloseIdleConnections()
}

// release closes the connections of a transport that was dropped while it was
// in use.
func (all *identities) release(entry *identified) {
	all.mu.Lock()
	defer all.mu.Unlock()
	entry.users--
	if entry.dropped && entry.users == 0 {
		entry.transport.CloseIdleConnections()
	}
}

func (all *identities) closeIdle() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, element := range all.known {
		element.Value.(*identified).transport.CloseIdleConnections()
	}
}
