package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Delivery is one event on its way to one target of one user: the unit of
// retry. It never carries an address or a credential; those are read from the
// preferences at every attempt.
type Delivery struct {
	Event   Event
	User    string
	Channel string // "email", "ios", "hipchat", "webhook"
	Target  string // id of the device, room or endpoint within the user's channel

	Published time.Time // when JetStream stored its event; zero for what was replayed or stems from no event
	Since     time.Time // when the outage began that the event ends; zero if it ends none, or nobody remembers
	Planned   time.Time // when the event was routed; the retry window counts from here
	Attempts  int       // attempts made so far that reached, or tried to reach, the far end
	Due       time.Time // not before this; zero for the first attempt
	Last      Attempt   // the newest failed attempt, if Attempts > 0
	Strikes   int       // times that this delivery was handed out again and again and never settled
	Hops      int       // times that it was parked; makes the idempotency key of each parking unique
	Replays   int       // times that it was replayed from a dead letter

	Crowd bool // its account has more than its share: it waits apart for its first attempt. Known where it is planned
}

// Attempt tells how one attempt ended.
type Attempt struct {
	At     time.Time
	Status string // what the far end said, as short as it says it: "503", "550 5.1.1", "410 Unregistered"; empty if it said nothing
	Reason string // one line for people; holds no address, credential or payload
	Host   string // of the far end, with its port, where the user's settings name it; not of its path or query

	Took time.Duration // how long the far end was waited for; known where the attempt was made, and in the ledger
}

// ID is the delivery id: a pure function of event source, event id, user,
// channel and target, stable over retries, redeliveries and replays. Far ends
// deduplicate by it (webhook-id, apns-id, Message-ID). Its form is a
// lower-case UUID of version 8 (RFC 9562 section 5.8), because APNs accepts
// nothing else.
func (d Delivery) ID() string {
	h := sha256.New()
	for _, field := range [...]string{d.Event.Source, d.Event.ID, d.User, d.Channel, d.Target} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		h.Write(length[:])
		h.Write([]byte(field))
	}
	id := h.Sum(nil)[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	s := hex.EncodeToString(id)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
