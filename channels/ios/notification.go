package ios

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sideshow/apns2"

	"tocsin/channels"
	"tocsin/schema"
)

const (
	// longestPayload is Apple's limit in bytes ("Generating a remote notification").
	longestPayload = 4096

	// shorterPayload is for a push that Apple says is too long all the same.
	shorterPayload = longestPayload / 2

	// longestType is many times the longest name of an event type.
	longestType = 100

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

func (c *channel) notification(d schema.Delivery, to device) *apns2.Notification {
	return &apns2.Notification{
		ApnsID:      d.ID(),
		CollapseID:  groupKey(d.Event.Account, d.Event.Resource()),
		DeviceToken: to.Token,
		Topic:       c.topic,
		Expiration:  d.Event.Time.Add(window),
		Priority:    apns2.PriorityHigh,
		PushType:    apns2.PushTypeAlert,
		Payload:     render(d, longestPayload),
	}
}

// render writes the payload in at most this many bytes. It shows no badge:
// nobody counts what has been read.
func render(d schema.Delivery, longest int) []byte {
	return newPayload(d.Event, channels.DescribeDelivery(d)).encode(longest)
}

func newPayload(e schema.Event, notice channels.Notice) *payload {
	p := &payload{
		APS: aps{
			Alert:             alert{Title: notice.Title, Body: describe(e, notice)},
			ThreadID:          groupKey(e.Account, notice.StackThread),
			InterruptionLevel: levels[notice.Outcome],
		},
		EventType: cut(e.Type, longestType),
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
			lines = append(lines, fact.Line(time.UTC))
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

// encode makes the payload fit: by a shorter body first, then without the link
// and the subtitle, then by a shorter title.
func (p *payload) encode(longest int) []byte {
	for _, shorten := range [...]func(){
		func() {},
		func() { p.fit(&p.APS.Alert.Body, longest) },
		func() { p.Link = "" },
		func() { p.APS.Alert.Subtitle = "" },
		func() { p.fit(&p.APS.Alert.Title, longest) },
	} {
		shorten()
		if encodedLength(p) <= longest {
			break
		}
	}
	return encoded(p)
}

// fit cuts a text of the payload until the whole fits, or to almost nothing.
func (p *payload) fit(text *string, longest int) {
	whole := *text
	most := sort.Search(len(whole), func(n int) bool {
		*text = cut(whole, n)
		return encodedLength(p) > longest
	})
	*text = cut(whole, max(0, most-1))
}

func encodedLength(value any) int { return len(encoded(value)) }

// encoded leaves <, > and & as they are: escaped for HTML each would take six
// of the bytes that a push has.
func encoded(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // of texts, which always encode
	return bytes.TrimSuffix(text.Bytes(), []byte{'\n'})
}

// cut leaves at most n bytes of a text and marks that some are missing. It
// takes none of what people see as one character apart: an emoji with its skin
// colour, a family, a letter with its marks.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && (!utf8.RuneStart(text[n]) || joins(text, n)) {
		n--
	}
	return strings.TrimRight(text[:n], " \n") + "…"
}

// joins says whether the rune at n belongs to the one before it.
func joins(text string, n int) bool {
	const joiner = '\u200d'
	next, _ := utf8.DecodeRuneInString(text[n:])
	before, _ := utf8.DecodeLastRuneInString(text[:n])
	skin := next >= 0x1f3fb && next <= 0x1f3ff
	return before == joiner || next == joiner || skin || unicode.In(next, unicode.M, unicode.Variation_Selector) || isFlag(before) && isFlag(next)
}

// isFlag tells the letters of which two make a flag.
func isFlag(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }
