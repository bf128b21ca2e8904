package prefs

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
)

// SpendLink notes that a link is used, and reports whether it was not before.
// id is the link's own; what Redis keeps of it, about 100 bytes, goes when the
// link expires. If Redis loses its memory a link can be used twice.
func (s *Store) SpendLink(ctx context.Context, id string, expires time.Time) (first bool, err error) {
	key := "tocsin:link:" + hex.EncodeToString([]byte(id))
	first, err = s.client.SetNX(ctx, key, "", max(time.Until(expires), time.Second)).Result()
	if err != nil {
		return false, fmt.Errorf("note that a link is used: %w", err)
	}
	return first, nil
}
