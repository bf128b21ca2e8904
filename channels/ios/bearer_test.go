package ios

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

// rfc6979Key is the P-256 key of RFC 6979, A.2.5.
func rfc6979Key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	secret, err := hex.DecodeString("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
	require.NoError(t, err)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	require.NoError(t, err)
	return key
}

func TestSignatureIsThatOfRFC6979(t *testing.T) {
	t.Parallel()
	signature, err := signES256(rfc6979Key(t), []byte("sample"))
	require.NoError(t, err)
	require.Equal(t, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"+
		"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8", hex.EncodeToString(signature))
}

func bearerAt(t *testing.T, now *time.Time) *bearer {
	t.Helper()
	b, err := newBearer(rfc6979Key(t), "ABCDEFGHIJ", "KLMNOPQRST")
	require.NoError(t, err)
	b.now = func() time.Time { return *now }
	return b
}

func tokenNow(t *testing.T, b *bearer) string {
	t.Helper()
	token, err := b.current()
	require.NoError(t, err)
	return token
}

// A fleet presents one token: it depends on nothing but key and window.
func TestTokenIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	now := time.Unix(1751847960, 0) // 25 minutes and a minute of lag into a window
	const golden = "eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQ0RFRkdISUoifQ.eyJpc3MiOiJLTE1OT1BRUlNUIiwiaWF0IjoxNzUxODQ2NDAwfQ."
	first := tokenNow(t, bearerAt(t, &now))
	require.Equal(t, golden, first[:len(golden)])
	require.Len(t, first, len(golden)+86)
	restarted := now.Add(4 * time.Minute)
	require.Equal(t, first, tokenNow(t, bearerAt(t, &restarted)))
}

func TestTokenLivesAWindow(t *testing.T) {
	t.Parallel()
	for start := range 31 { // wherever in a window the process starts
		began := time.Unix(1751846400, 0).Add(time.Duration(start) * time.Minute)
		now := began
		b := bearerAt(t, &now)
		changed, changes := began, 0
		for last := tokenNow(t, b); now.Before(began.Add(12 * time.Hour)); now = now.Add(30 * time.Second) {
			token := tokenNow(t, b)
			age := now.Sub(b.issued)
			require.GreaterOrEqual(t, age, bearerLag)
			require.LessOrEqual(t, age, bearerWindow+bearerHold+bearerLag)
			if token != last {
				require.GreaterOrEqual(t, now.Sub(changed), 20*time.Minute)
				changed, last = now, token
				changes++
			}
		}
		require.InDelta(t, 24, changes, 1)
	}
}

func TestTokenWhenTheClockJumps(t *testing.T) {
	t.Parallel()
	edge := issuedAt(time.Unix(1751846400, 0)).Add(bearerWindow + bearerLag)
	now := edge
	b := bearerAt(t, &now)
	fresh := tokenNow(t, b)
	for _, back := range []time.Duration{5 * time.Second, bearerLag} {
		now = edge.Add(-back)
		require.Equal(t, fresh, tokenNow(t, b), "never back to an older one at the edge of a window")
	}
	now = edge.Add(-2 * time.Hour)
	old := tokenNow(t, b)
	require.NotEqual(t, fresh, old, "the clock was wrong before: the token is of the future")
	require.False(t, b.issued.After(now))
	now = edge
	require.Equal(t, fresh, tokenNow(t, b))
}

// Processes whose clocks differ, over eight hours, from anywhere in a window:
// the far end takes every push, with Apple's limits for all of them together.
// One of them restarts now and then.
func TestFleetKeepsApplesLimits(t *testing.T) {
	t.Parallel()
	for start := range 3 {
		var now atomic.Int64
		now.Store(1751846400 + int64(start)*601)
		at := func(skew time.Duration) func() time.Time {
			return func() time.Time { return time.Unix(now.Load(), 0).Add(skew) }
		}
		server, log := startAPNs(t, farend.APNsOptions{Now: at(0)})
		config := configFor(t, server)
		skews := []time.Duration{-5 * time.Second, 0, 5 * time.Second, 50 * time.Second}
		fleet := make([]*channel, len(skews))
		const rounds = 160
		for round := range rounds {
			for i, skew := range skews {
				if round == 0 || i == 1 && round%45 == 0 {
					fleet[i] = openWithClock(t, config, at(skew))
				}
				require.NoError(t, fleet[i].Send(t.Context(), delivery("job.fail", "1"), target()), "start %d, round %d", start, round)
			}
			now.Add(180)
		}
		require.Len(t, received(log), rounds*len(fleet))
	}
}

func openWithClock(t *testing.T, c Config, now func() time.Time) *channel {
	t.Helper()
	opened := open(t, c)
	provide(t, opened, func(b *bearer) provider { b.now = now; return b })
	return opened
}

// provide changes where a channel has its token from.
func provide(t *testing.T, c *channel, instead func(*bearer) provider) {
	t.Helper()
	p := c.servers[production].client.HTTPClient.Transport.(*pool)
	p.provider = instead(p.provider.(*bearer))
}

// onlyProvider has one token at any time.
type onlyProvider struct{ *bearer }

func (onlyProvider) stepBack(string) (bool, error) { return false, nil }

func TestClockThatIsBehindIsNamed(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	c := openWithClock(t, configFor(t, server), func() time.Time { return time.Now().Add(-2 * time.Hour) })
	failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, channels.Misconfigured, failure.Kind)
	require.Equal(t, "403 ExpiredProviderToken", failure.Status)
	require.ErrorContains(t, failure.Err, "clock")
}

// oddProvider signs for the moment, as no process of a fleet does.
type oddProvider struct{ *bearer }

func (o oddProvider) current() (string, error) { return o.sign(time.Now().Add(-time.Second)) }

// A fleet that begins shortly before a window, and one of whose processes joins
// when that has begun, is one to Apple all the same: pushes arrive, the first one
// too, and the new token is presented when it may be.
func TestProcessThatJoinsWhenAWindowHasJustBegun(t *testing.T) {
	t.Parallel()
	const windowBegins = 1751846400 + 60
	var now atomic.Int64
	now.Store(windowBegins - 10)
	clock := func() time.Time { return time.Unix(now.Load(), 0) }
	server, log := startAPNs(t, farend.APNsOptions{Now: clock})
	config := configFor(t, server)
	first := openWithClock(t, config, clock)
	require.NoError(t, first.Send(t.Context(), delivery("job.fail", "1"), target()))
	now.Add(20)
	second := openWithClock(t, config, clock)
	const rounds = 60
	for round := range rounds {
		require.NoError(t, second.Send(t.Context(), delivery("job.fail", "1"), target()), "round %d", round)
		require.NoError(t, first.Send(t.Context(), delivery("job.fail", "1"), target()), "round %d", round)
		now.Add(60)
	}
	accepted := slices.DeleteFunc(received(log), func(r farend.Received) bool { return r.Status != "200" })
	require.Len(t, accepted, 1+2*rounds)
	require.LessOrEqual(t, len(received(log)), len(accepted)+1, "one was refused, and is known to be too early from then on")
}

func TestTokenIsKeptWhenAppleHasSeenTooMany(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	config := configFor(t, server)
	stranger := open(t, config)
	provide(t, stranger, func(b *bearer) provider { return oddProvider{b} })
	require.NoError(t, stranger.Send(t.Context(), delivery("job.fail", "1"), target()))
	c := open(t, config)
	for range 2 {
		failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "2"), target()))
		require.Equal(t, channels.Temporary, failure.Kind)
		require.Equal(t, "429 TooManyProviderTokenUpdates", failure.Status)
		require.Equal(t, changedWait, failure.Wait)
	}
	require.Equal(t, 2, server.Connections())
}
