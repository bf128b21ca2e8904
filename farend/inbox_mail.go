package farend

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var messageIDPattern = regexp.MustCompile(`^<([^<>@\s]+)@[^<>@\s]+>$`)

// readMail takes a mail apart, as a strict receiver: what RFC 5322 demands is
// there, and once. It gives what it could read also when it refuses.
func readMail(raw []byte) (Received, error) {
	got := Received{Raw: string(raw)}
	if err := checkLines(raw); err != nil {
		return got, err
	}
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return got, badMail("headers: %v", err)
	}
	got.Delivery = deliveryOf(message.Header.Get("Message-Id"))
	if got.Title, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		return got, badMail("subject: %v", err)
	}
	if err := checkHeader(message.Header); err != nil {
		return got, err
	}
	if err := readBody(&got, textproto.MIMEHeader(message.Header), message.Body); err != nil {
		return got, badMail("body: %v", err)
	}
	return got, nil
}

// deliveryOf reads the delivery id from a Message-ID: its local part.
func deliveryOf(messageID string) string {
	if parts := messageIDPattern.FindStringSubmatch(messageID); parts != nil {
		return parts[1]
	}
	return ""
}

// checkLines refuses bare CR and LF and overlong lines (RFC 5321 sections
// 2.3.8 and 4.5.3.1.6: 1,000 octets with CRLF).
func checkLines(raw []byte) error {
	for line := range bytes.SplitSeq(bytes.TrimSuffix(raw, []byte("\r\n")), []byte("\r\n")) {
		if bytes.ContainsAny(line, "\r\n") {
			return badMail("bare CR or LF")
		}
		if len(line) > 998 {
			return badMail("a line of %d octets", len(line))
		}
	}
	return nil
}

// checkHeader holds to RFC 5322 section 3.6, and to RFC 2045 for MIME.
func checkHeader(header mail.Header) error {
	for _, once := range [...]string{"From", "Date", "Message-Id", "To", "Subject", "Mime-Version", "Content-Type"} {
		if n := len(header[once]); n != 1 {
			return badMail("%d fields named %s", n, once)
		}
	}
	for _, atMostOnce := range [...]string{"In-Reply-To", "References", "Auto-Submitted", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-Id"} {
		if n := len(header[atMostOnce]); n > 1 {
			return badMail("%d fields named %s", n, atMostOnce)
		}
	}
	if err := checkUnsubscribe(header); err != nil {
		return err
	}
	if _, err := header.Date(); err != nil {
		return badMail("date: %v", err)
	}
	for _, addresses := range [...]string{"From", "To"} {
		if _, err := mail.ParseAddressList(header.Get(addresses)); err != nil {
			return badMail("%s: %v", addresses, err)
		}
	}
	for _, id := range append(strings.Fields(header.Get("References")), header.Get("Message-Id")) {
		if !messageIDPattern.MatchString(id) {
			return badMail("message id")
		}
	}
	return nil
}

var (
	unsubscribePattern = regexp.MustCompile(`^<(https?://[^<>\s]+)>$`)
	signedPattern      = regexp.MustCompile(`(?i)[;\s]h=([^;]*)`)
)

// checkUnsubscribe holds to RFC 8058 sections 3.1 and 4: both fields or none, an
// HTTPS link (also HTTP to this machine, for developers), and both covered by
// the DKIM signature, if there is one.
func checkUnsubscribe(header mail.Header) error {
	link, post := header.Get("List-Unsubscribe"), header.Get("List-Unsubscribe-Post")
	if link == "" && post == "" {
		return nil
	}
	if post != "List-Unsubscribe=One-Click" {
		return badMail("List-Unsubscribe-Post")
	}
	found := unsubscribePattern.FindStringSubmatch(link)
	if found == nil {
		return badMail("List-Unsubscribe")
	}
	if u, err := url.Parse(found[1]); err != nil || u.Scheme != "https" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" {
		return badMail("List-Unsubscribe is not https")
	}
	signature := header.Get("Dkim-Signature")
	if signature == "" {
		return nil
	}
	signed := signedPattern.FindStringSubmatch(signature)
	if signed == nil {
		return badMail("DKIM-Signature without h=")
	}
	for _, name := range [...]string{"list-unsubscribe", "list-unsubscribe-post"} {
		names := strings.FieldsFunc(strings.ToLower(signed[1]), func(r rune) bool { return r == ':' || unicode.IsSpace(r) })
		if !slices.Contains(names, name) {
			return badMail("%s is not signed", name)
		}
	}
	return nil
}

func badMail(format string, args ...any) error {
	return SMTPAnswer(554, [3]int{5, 6, 0}, fmt.Sprintf(format, args...)) // RFC 3463: other or undefined media error
}

func readBody(got *Received, header textproto.MIMEHeader, body io.Reader) error {
	kind, parameters, err := mime.ParseMediaType(cmp.Or(header.Get("Content-Type"), "text/plain"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		return readParts(got, multipart.NewReader(body, parameters["boundary"]))
	}
	text, err := io.ReadAll(decodeTransfer(header.Get("Content-Transfer-Encoding"), body))
	switch kind {
	case "text/plain":
		got.Text += string(text)
	case "text/html":
		got.HTML += string(text)
	}
	return err
}

func readParts(got *Received, parts *multipart.Reader) error {
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := readBody(got, part.Header, part); err != nil {
			return err
		}
	}
}

func decodeTransfer(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	}
	return body
}
