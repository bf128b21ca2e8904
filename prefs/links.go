package prefs

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
)

// clocksDiffer is by how much the clocks of Redis and of those who check links
// may disagree, or step: one that is set to local time is off by half a day.
const clocksDiffer = 24 * time.Hour

// SpendLink notes that a link is used, and reports whether it was not before.
// id is the link's own; what Redis keeps of it, about 100 bytes, outlives the
// link by a day: whoever's clock is behind still takes the link for good when it
// has expired by the clock of who noted it. If Redis loses its memory a link can
// be used twice.
func (s *Store) SpendLink(ctx context.Context, id string, expires time.Time) (first bool, err error) {
	key := "tocsin:link:" + hex.EncodeToString([]byte(id))
	first, err = s.client.SetNX(ctx, key, "", max(time.Until(expires), 0)+clocksDiffer).Result()
	if err != nil {
		return false, fmt.Errorf("note that a link is used: %w", err)
	}
	return first, nil
}
