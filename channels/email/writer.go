package email

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	htmltemplate "html/template"
	"net/mail"
	"regexp"
	"strings"
	texttemplate "text/template"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"tocsin/channels"
	"tocsin/channels/unsubscribe"
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
	links  *links  // nil: mails have no link that stops them
}

// write gives the whole mail, signed.
func (w writer) write(d schema.Delivery, person channels.Person, address string) ([]byte, error) {
	p := newPage(d, person)
	if p.Chosen && isListName(d.Event.Type) {
		p.Stop = w.links.to(d.User, d.Event.Type)
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(w.from)
	m.ToMailAddress(&mail.Address{Name: displayName(person.Name), Address: address})
	m.Subject(p.Subject)
	w.identify(m, d, p.Incident)
	w.classify(m, d.Event.Type, p)
	if err := m.SetBodyTextTemplate(textTemplate, p); err != nil {
		return nil, fmt.Errorf("text part: %w", err)
	}
	if err := m.AddAlternativeHTMLTemplate(htmlTemplate, p); err != nil {
		return nil, fmt.Errorf("HTML part: %w", err)
	}
	return w.finish(m)
}

func (w writer) finish(m *gomail.Msg) ([]byte, error) {
	var mail bytes.Buffer
	if _, err := m.WriteTo(&mail); err != nil {
		return nil, err
	}
	if w.signer == nil {
		return mail.Bytes(), nil
	}
	field, err := w.signer.field(mail.Bytes())
	return append([]byte(field), mail.Bytes()...), err
}

// identify names the mail by the delivery, so that receivers can see through a
// duplicate, and hangs it on the root of a thread: of the deployment if the
// event tells it, else of the resource, since an outage and its end have
// nothing else in common that they know of. Nobody ever sent that root;
// programs thread by it all the same (RFC 5322 section 3.6.4), and no mail
// needs to know which came first.
func (w writer) identify(m *gomail.Msg, d schema.Delivery, incident string) {
	m.SetMessageIDWithValue(d.ID() + "@" + w.domain())
	m.SetDate()
	key := sha256.Sum256([]byte(strings.Join([]string{d.Event.Account, d.User, incident}, "\x00")))
	root := "<thread-" + hex.EncodeToString(key[:16]) + "@" + w.domain() + ">"
	m.SetGenHeader(gomail.HeaderInReplyTo, root)
	m.SetGenHeader(gomail.HeaderReferences, root)
}

func (w writer) domain() string {
	_, domain := splitAddress(w.from.Address)
	return domain
}

var listPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// isListName says that an event type can be part of a field and of a link, as
// all that we know can. Longer ones would not fit in List-Id (RFC 2919 section
// 2: 255 characters).
func isListName(typeName string) bool {
	return len(typeName) <= 100 && listPattern.MatchString(typeName)
}

// displayName is a name that needs no escapes, which the library gets wrong
// (v0.8.1), and that fits in a line without folding: at most 998 octets (RFC
// 5322 section 2.1.1).
func displayName(given string) string {
	const longest = 100
	name := []rune(singleLine(strings.Map(plain, strings.ToValidUTF8(given, ""))))
	return string(name[:min(len(name), longest)])
}

func plain(r rune) rune {
	if r == '"' {
		return '\''
	}
	if r == '\\' || !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// classify says to programs what kind of mail this is. Precedence is left out:
// RFC 3834 puts Auto-Submitted in its place, and "bulk" is not what a person
// asked for. Exchange gets its own list, less bounces (NDR), which we want.
// List-Id lets people sort by event type; Feedback-ID lets Gmail's complaint
// reports tell the types apart, its last field being the sender.
func (w writer) classify(m *gomail.Msg, typeName string, p page) {
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "DR, RN, NRN, OOF, AutoReply")
	if isListName(typeName) {
		m.SetGenHeaderPreformatted("List-Id", "<"+typeName+".notifications."+w.domain()+">") // RFC 2919
		m.SetGenHeaderPreformatted("Feedback-ID", typeName+":tocsin")
	}
	if p.Stop != "" {
		m.SetGenHeaderPreformatted("List-Unsubscribe", "<"+p.Stop+">")
		m.SetGenHeaderPreformatted("List-Unsubscribe-Post", unsubscribe.HeaderPost) // RFC 8058
	}
}
