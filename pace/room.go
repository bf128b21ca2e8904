package pace

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Has reports whether a target with these settings is this room: whether a
// companion still goes there.
func (r Room) Has(settings json.RawMessage) bool {
	return r.digest() == Room{Channel: r.Channel, Settings: settings}.digest()
}

// keys are those of the admit script, in its order. All have one hash tag, so
// that a cluster keeps them in one slot.
func (r Room) keys(id string) []string {
	return []string{
		r.key("sent"), r.key("waiting"), r.key("records"), r.key("taken"), r.key("closed"), r.toldKey(id),
	}
}

func (r Room) key(part string) string   { return "tocsin:pace:{" + r.digest() + "}:" + part }
func (r Room) toldKey(id string) string { return r.key("told:" + id) }

// digest names the room without telling its settings, which hold a credential.
// Who does not know that cannot make another's room wait.
func (r Room) digest() string {
	sum := sha256.Sum256(append([]byte(r.Channel+"\x00"), canonical(r.Settings)...))
	return hex.EncodeToString(sum[:16])
}

// canonical makes settings equal that say the same: fields in order, and none
// that are empty.
func canonical(settings json.RawMessage) []byte {
	var fields map[string]any
	if json.Unmarshal(settings, &fields) != nil {
		return settings
	}
	for name, value := range fields {
		if value == "" || value == nil {
			delete(fields, name)
		}
	}
	text, err := json.Marshal(fields) // sorts by name
	if err != nil {
		return settings
	}
	return text
}
