package webhook

import (
	"encoding/json"
	"fmt"
	"time"
)

// gracePeriod is how long what was rotated out keeps signing beside its
// successor: a working day in every time zone.
const gracePeriod = 24 * time.Hour

// Rotate gives an endpoint's settings a new secret. The previous one keeps
// signing for 24 hours; one that was rotated out before it stops at once.
// Settings that Rotate does not know stay as they are.
func Rotate(settings json.RawMessage, now time.Time) (rotated json.RawMessage, newSecret string, err error) {
	newSecret = NewSecret()
	names := rotation{"secret", "previous_secret", "previous_until"}
	rotated, err = names.replace(settings, newSecret, now)
	return rotated, newSecret, err
}

// RotateSigningKey does the same for the signing key, and gives the public
// half of the new one. Without a signing key before, it adds the first.
func RotateSigningKey(settings json.RawMessage, now time.Time) (rotated json.RawMessage, newPublic string, err error) {
	private, newPublic := NewSigningKey()
	names := rotation{"signing_key", "previous_signing_key", "previous_signing_key_until"}
	rotated, err = names.replace(settings, private, now)
	return rotated, newPublic, err
}

// rotation names the members of the settings that take part.
type rotation struct{ current, previous, until string }

func (r rotation) replace(settings json.RawMessage, value string, now time.Time) (json.RawMessage, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(settings, &given); err != nil || given == nil {
		return nil, fmt.Errorf("rotate %s: %w", r.current, errMalformed)
	}
	all := make(map[string]any, len(given)+2)
	for name, member := range given {
		all[name] = member
	}
	var current string
	if json.Unmarshal(given[r.current], &current) == nil && current != "" {
		all[r.previous], all[r.until] = current, now.Add(gracePeriod).UTC()
	}
	all[r.current] = value
	return json.Marshal(all)
}
