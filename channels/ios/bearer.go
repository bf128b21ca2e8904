package ios

import (
	"time"

	"github.com/sideshow/apns2/token"
)

// renewals is how often Apple lets a provider change its token ("Establishing
// a token-based connection to APNs").
const renewals = 20 * time.Minute

// bearer is the provider token of the process.
type bearer struct{ provider *token.Token }

// renew makes a new token before the old one's time, since Apple says that it
// has expired. One that is younger than Apple's limit is kept: it was made
// since by another attempt, or the clock is wrong and a new one helps nobody.
func (b *bearer) renew() {
	b.provider.Lock()
	defer b.provider.Unlock()
	if time.Since(time.Unix(b.provider.IssuedAt, 0)) >= renewals {
		_, _ = b.provider.Generate() // the key signed when the channel was opened
	}
}
