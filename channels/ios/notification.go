package ios

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/sideshow/apns2"

	"tocsin/channels"
	"tocsin/schema"
)

const (
	// longestPayload is Apple's limit in bytes ("Generating a remote notification").
	longestPayload = 4096

	// longestLink leaves room for the texts, whatever these are.
	longestLink = 1024
)

// payload is the JSON that the device gets. Custom keys stand beside aps.
type payload struct {
	APS       aps    `json:"aps"`
	EventType string `json:"event_type"`
	Link      string `json:"link,omitempty"`
}

type aps struct {
	Alert             alert  `json:"alert"`
	Sound             string `json:"sound,omitempty"`
	ThreadID          string `json:"thread-id"`
	InterruptionLevel string `json:"interruption-level"`
}

type alert struct {
	Title    string `json:"title"`
	Subtitle string `json:"subtitle,omitempty"`
	Body     string `json:"body"`
}

// levels say how loudly iOS tells: what failed breaks through a focus, what
// works again waits in the list.
var levels = map[schema.Outcome]string{
	schema.Bad:     "time-sensitive",
	schema.Good:    "passive",
	schema.Neutral: "active",
}

func (c *channel) notification(d schema.Delivery, to device) (*apns2.Notification, error) {
	notice := channels.Describe(d.Event)
	body, err := newPayload(d.Event, notice).encode()
	if err != nil {
		return nil, err
	}
	return &apns2.Notification{
		ApnsID:      d.ID(),
		CollapseID:  groupKey(d.Event.Account, notice.Thread),
		DeviceToken: to.Token,
		Topic:       c.topic,
		Expiration:  d.Event.Time.Add(window),
		Priority:    apns2.PriorityHigh,
		PushType:    apns2.PushTypeAlert,
		Payload:     body,
	}, nil
}

func newPayload(e schema.Event, notice channels.Notice) *payload {
	p := &payload{
		APS: aps{
			Alert:             alert{Title: notice.Title, Body: describe(e, notice)},
			ThreadID:          groupKey(e.Account, notice.StackThread),
			InterruptionLevel: levels[notice.Outcome],
		},
		EventType: e.Type,
	}
	if !strings.Contains(notice.Title, notice.Stack) {
		p.APS.Alert.Subtitle = notice.Stack
	}
	if notice.Outcome == schema.Bad {
		p.APS.Sound = "default"
	}
	if encodedLength(notice.Link) <= longestLink {
		p.Link = notice.Link
	}
	return p
}

// describe lists what is neither in the title nor on the phone's clock.
func describe(e schema.Event, notice channels.Notice) string {
	var lines []string
	for _, fact := range notice.Facts {
		if fact.Time.IsZero() && fact.Label != "Stack" && !strings.Contains(notice.Title, fact.Value) {
			lines = append(lines, fact.Label+": "+fact.Value)
		}
	}
	if len(lines) == 0 {
		kind, _ := schema.TypeNamed(e.Type)
		return kind.Meaning
	}
	return strings.Join(lines, "\n")
}

// groupKey is short whatever the key: a collapse id may have 64 bytes.
func groupKey(account, key string) string {
	sum := sha256.Sum256([]byte(account + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// encode cuts the body until the payload fits. It measures what encoding/json
// makes of it with HTML escaping, because that is what the push library sends.
func (p *payload) encode() ([]byte, error) {
	encoded, err := json.Marshal(p)
	if err != nil || len(encoded) <= longestPayload {
		return encoded, err
	}
	body := []rune(p.APS.Alert.Body)
	tooLong := sort.Search(len(body), func(n int) bool {
		p.APS.Alert.Body = string(body[:n]) + "…"
		return encodedLength(p) > longestPayload
	})
	if tooLong == 0 {
		return nil, fmt.Errorf("even without its body the payload has more than %d bytes", longestPayload)
	}
	p.APS.Alert.Body = string(body[:tooLong-1]) + "…"
	return json.Marshal(p)
}

func encodedLength(value any) int {
	encoded, _ := json.Marshal(value) // of texts, which always encode
	return len(encoded)
}
