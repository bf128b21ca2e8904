package outbound

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

func newTLSHook(t *testing.T, with farend.HookTLS) (*farend.Hook, *farend.HookAuthority, *farend.Log) {
	t.Helper()
	log := &farend.Log{}
	hook, authority, err := farend.NewTLSHook(log, with)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	return hook, authority, log
}

func trusting(authority *farend.HookAuthority) *Client {
	policy := loopback(nil)
	policy.Roots = authority.Roots()
	return Open(policy)
}

func TestHTTP2OverTLS(t *testing.T) {
	t.Parallel()
	hook, authority, log := newTLSHook(t, farend.HookTLS{})
	c := trusting(authority)
	for range 3 {
		require.NoError(t, post(t, c, hook.URL()+"/hook"))
	}
	received, _ := log.Since(0)
	require.Len(t, received, 3)
	require.Contains(t, received[0].Raw, "POST /hook HTTP/2.0\r\n")
}

func TestHandshakesThatFail(t *testing.T) {
	t.Parallel()
	for reason, with := range map[string]farend.HookTLS{
		"TLS certificate has expired or is not yet valid": {Expired: true},
		"TLS certificate is for another host name":        {Host: "elsewhere.example"},
	} {
		hook, authority, log := newTLSHook(t, with)
		f := channels.FailureOf(post(t, trusting(authority), hook.URL()+"/hook"))
		require.EqualError(t, f.Err, reason)
		require.Equal(t, channels.Temporary, f.Kind)
		received, _ := log.Since(0)
		require.Empty(t, received)
	}
	untrusted, _, _ := newTLSHook(t, farend.HookTLS{})
	f := channels.FailureOf(post(t, local(nil), untrusted.URL()))
	require.EqualError(t, f.Err, "TLS certificate is signed by an unknown authority")
	require.Equal(t, channels.Temporary, f.Kind)
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	server.StartTLS()
	t.Cleanup(server.Close)
	f := channels.FailureOf(post(t, local(nil), server.URL))
	require.ErrorContains(t, f.Err, "TLS handshake failed")
	require.Equal(t, channels.Temporary, f.Kind)
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	hook, authority, log := newTLSHook(t, farend.HookTLS{Mutual: true})
	other, err := newIdentity(authority, "other")
	require.NoError(t, err)
	_, stranger, _ := newTLSHook(t, farend.HookTLS{})
	unknown, err := newIdentity(stranger, "stranger")
	require.NoError(t, err)
	c := trusting(authority)
	url := parsed(t, hook.URL()+"/hook")

	_, err = exchange(t, t.Context(), c, Request{URL: url, Identity: other})
	require.NoError(t, err)
	for name, identity := range map[string]Identity{"none": {}, "of a stranger": unknown} {
		_, err := exchange(t, t.Context(), c, Request{URL: url, Identity: identity})
		f := channels.FailureOf(err)
		require.Regexp(t, "^(TLS handshake failed: .*|connection reset by peer|broken pipe|connection ended without a valid HTTP answer)$", f.Err.Error(), name)
		require.Equal(t, channels.Temporary, f.Kind, "the endpoint may come to know it")
	}
	received, _ := log.Since(0)
	require.Len(t, received, 1)
}

func newIdentity(authority *farend.HookAuthority, name string) (Identity, error) {
	certificate, key, err := authority.NewClient(name)
	return Identity{certificate, key}, err
}

func TestIdentityCheck(t *testing.T) {
	t.Parallel()
	_, authority, _ := newTLSHook(t, farend.HookTLS{})
	one, err := newIdentity(authority, "one")
	require.NoError(t, err)
	two, err := newIdentity(authority, "two")
	require.NoError(t, err)
	require.NoError(t, one.Check())
	c := local(nil)
	for name, wrong := range map[string]struct {
		identity Identity
		reason   string
	}{
		"no key":         {Identity{Certificate: one.Certificate}, "a client certificate and its key are needed together"},
		"no certificate": {Identity{Key: one.Key}, "a client certificate and its key are needed together"},
		"other's key":    {Identity{one.Certificate, two.Key}, "the client certificate and its key are not PEM, or do not belong together"},
		"swapped":        {Identity{one.Key, one.Certificate}, "the client certificate and its key are not PEM, or do not belong together"},
		"not PEM":        {Identity{"hunter2", "hunter2"}, "the client certificate and its key are not PEM, or do not belong together"},
		"too long":       {Identity{one.Certificate + strings.Repeat(" ", longestPEM), one.Key}, "the client certificate or its key is longer than 32 KiB"},
	} {
		require.EqualError(t, wrong.identity.Check(), wrong.reason, name)
		_, err := exchange(t, t.Context(), c, Request{URL: parsed(t, "https://127.0.0.1:8443/"), Identity: wrong.identity})
		f := channels.FailureOf(err)
		require.EqualError(t, f.Err, wrong.reason, name)
		require.Equal(t, channels.Permanent, f.Kind, name)
	}
}

// Each identity has connections of its own; those of the ones used longest
// ago are closed.
func TestIdentitiesAreBounded(t *testing.T) {
	t.Parallel()
	_, authority, _ := newTLSHook(t, farend.HookTLS{})
	c := trusting(authority)
	first, err := newIdentity(authority, "first")
	require.NoError(t, err)
	kept, releaseFirst, err := c.identities.acquire(first)
	require.NoError(t, err)
	for range keptIdentities {
		next, err := newIdentity(authority, "next")
		require.NoError(t, err)
		transport, release, err := c.identities.acquire(next)
		require.NoError(t, err)
		require.NotSame(t, kept, transport)
		again, releaseAgain, err := c.identities.acquire(next)
		require.NoError(t, err)
		require.Same(t, transport, again)
		release()
		releaseAgain()
	}
	require.Equal(t, keptIdentities, c.identities.recent.Len())
	require.Len(t, c.identities.known, keptIdentities)
	releaseFirst()
	anew, release, err := c.identities.acquire(first)
	require.NoError(t, err)
	defer release()
	require.NotSame(t, kept, anew)
}

// An identity that is dropped while it is in use leaves no connection behind.
func TestDroppedIdentityClosesItsConnections(t *testing.T) {
	t.Parallel()
	var states connections
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	server.Config.ConnState = states.note
	server.StartTLS()
	t.Cleanup(server.Close)
	_, authority, _ := newTLSHook(t, farend.HookTLS{})
	identity, err := newIdentity(authority, "one")
	require.NoError(t, err)
	policy := loopback(nil)
	policy.Roots = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c := Open(policy)

	_, release, err := c.identities.acquire(identity)
	require.NoError(t, err)
	c.identities.drop(c.identities.recent.Back())
	release()
	_, release, err = c.identities.acquire(identity)
	require.NoError(t, err)
	_, err = exchange(t, t.Context(), c, Request{URL: parsed(t, server.URL), Identity: identity})
	require.NoError(t, err)
	c.identities.drop(c.identities.recent.Back())
	release()
	<-states.closed()
}
