package email

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	htmltemplate "html/template"
	"net/mail"
	"strings"
	texttemplate "text/template"
	"time"
	_ "time/tzdata" // people's time zones, also where the system has no list of them

	gomail "github.com/wneessen/go-mail"

	"tocsin/channels"
	"tocsin/schema"
)

//go:embed templates
var templates embed.FS

var (
	textTemplate = texttemplate.Must(texttemplate.ParseFS(templates, "templates/notice.txt"))
	htmlTemplate = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/notice.html"))
)

// writer makes mails of deliveries.
type writer struct {
	from   *mail.Address
	signer *signer // nil: mails are not signed
}

// page is what the templates show.
type page struct {
	channels.Notice
	Facts   []fact // with times as the person's clock shows them
	Subject string
	Mood    string // "good", "bad" or "neutral"
	Summary string // what an inbox shows behind the subject
	Meaning string // of the event type, as the settings page words it
}

type fact struct{ Label, Value string }

func (w writer) write(d schema.Delivery, person channels.Person, address string) (*gomail.Msg, error) {
	p := newPage(d, person)
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(w.from)
	m.ToMailAddress(&mail.Address{Name: singleLine(person.Name), Address: address})
	m.Subject(p.Subject)
	w.identify(m, d, p.Thread)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answers from the absent
	m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	if err := m.SetBodyTextTemplate(textTemplate, p); err != nil {
		return nil, fmt.Errorf("text part: %w", err)
	}
	if err := m.AddAlternativeHTMLTemplate(htmlTemplate, p); err != nil {
		return nil, fmt.Errorf("HTML part: %w", err)
	}
	if w.signer != nil {
		return m, w.signer.sign(m)
	}
	return m, nil
}

// identify names the mail by the delivery, so that receivers can see through a
// duplicate, and hangs it on the root of the resource's thread. Nobody ever
// sent that root; programs thread by it all the same (RFC 5322 section 3.6.4),
// and no mail needs to know which came first.
func (w writer) identify(m *gomail.Msg, d schema.Delivery, thread string) {
	domain := w.from.Address[strings.LastIndexByte(w.from.Address, '@')+1:]
	m.SetMessageIDWithValue(d.ID() + "@" + domain)
	m.SetDate()
	key := sha256.Sum256([]byte(strings.Join([]string{d.Event.Account, d.User, thread}, "\x00")))
	root := "<thread-" + hex.EncodeToString(key[:16]) + "@" + domain + ">"
	m.SetGenHeader(gomail.HeaderInReplyTo, root)
	m.SetGenHeader(gomail.HeaderReferences, root)
}

func newPage(d schema.Delivery, person channels.Person) page {
	notice := channels.Describe(d.Event)
	kind, _ := schema.TypeNamed(d.Event.Type)
	p := page{
		Notice:  notice,
		Subject: notice.Title,
		Mood:    moods[notice.Outcome],
		Meaning: cmp.Or(kind.Meaning, "this kind of event"),
	}
	if notice.Stack != "" && !strings.Contains(notice.Title, notice.Stack) {
		p.Subject += " (" + notice.Stack + ")"
	}
	place := placeOf(person)
	var summary []string
	for _, f := range notice.Facts {
		p.Facts = append(p.Facts, fact{f.Label, f.In(place)})
		if f.Time.IsZero() {
			summary = append(summary, f.Value)
		}
	}
	p.Summary = strings.Join(summary, " · ")
	return p
}

var moods = map[schema.Outcome]string{schema.Good: "good", schema.Bad: "bad", schema.Neutral: "neutral"}

func placeOf(person channels.Person) *time.Location {
	place, err := time.LoadLocation(person.TimeZone)
	if err != nil || place == time.Local { // "Local" is where we are, not the person
		return time.UTC
	}
	return place
}

func singleLine(text string) string { return strings.Join(strings.Fields(text), " ") }
