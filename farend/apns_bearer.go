package farend

import (
	"crypto/ecdsa"
	"errors"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// Apple's limits ("Establishing a token-based connection to APNs").
const (
	oldestBearer  = time.Hour
	bearerChanges = 20 * time.Minute // no more often
)

// bearers are the provider tokens that the service has seen, of all
// connections: however many processes a provider has, it may present a new
// token every 20 minutes.
type bearers struct {
	key *ecdsa.PublicKey
	now func() time.Time

	mu      sync.Mutex
	known   map[string]time.Time // good tokens, and when they were issued
	changed time.Time            // when the last new one came
}

// reasonAgainst refuses a token. A connection may not go back to an older one:
// issued is the moment of the newest that it has presented.
func (b *bearers) reasonAgainst(bearer string, issued *time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, known := b.known[bearer]
	if !known {
		var good bool
		if at, good = b.verify(bearer); !good {
			return "InvalidProviderToken"
		}
	}
	now := b.now()
	switch {
	case now.Sub(at) > oldestBearer:
		return "ExpiredProviderToken"
	case at.After(now):
		return "InvalidProviderToken"
	case !known && !b.changed.IsZero() && now.Sub(b.changed) < bearerChanges, at.Before(*issued):
		return "TooManyProviderTokenUpdates"
	case !known:
		b.known[bearer], b.changed = at, now
	}
	*issued = at
	return ""
}

func (b *bearers) verify(bearer string) (issued time.Time, good bool) {
	claims := jwt.RegisteredClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}), jwt.WithoutClaimsValidation())
	parsed, err := parser.ParseWithClaims(bearer, &claims, func(token *jwt.Token) (any, error) {
		if token.Header["kid"] != apnsKeyID {
			return nil, errors.New("unknown key")
		}
		return b.key, nil
	})
	if err != nil || !parsed.Valid || claims.Issuer != apnsTeamID || claims.IssuedAt == nil {
		return time.Time{}, false
	}
	return claims.IssuedAt.Time, true
}
