package schema

import (
	"bytes"
	"regexp"
	"strings"
)

// Redacted is event data for people's eyes: every value whose name speaks of a
// credential is replaced by "…", and so is the login within a URL. All else
// stays as it is, byte for byte, also of what is not JSON. It is no proof that
// nothing is left: a credential under a harmless name stays.
func Redacted(data []byte) []byte {
	r := redactor{data: data, out: make([]byte, 0, len(data))}
	for r.at < len(data) {
		r.step()
	}
	return login.ReplaceAll(r.out, withoutLogin)
}

// hidden stands for what was taken out; it is JSON.
const hidden = `"…"`

// secretName matches names of data that may hold a credential: redeploy_hook,
// ssh_private_key, server_registration_script and params of the platform's
// resources, and what others call theirs. The records of the platform are
// listed in channels/notice_facts.go by what is harmless; here people need to
// see all else.
var secretName = regexp.MustCompile(`(?i)hook|key|token|secret|passw|passphrase|credential|private|script|params|variables|cookie|authorization|bearer|signature`)

// login is user and password within a URL, whose slashes JSON may have escaped.
var (
	login        = regexp.MustCompile(`(:(?:\\?/){2})[^/?#@\s"]+@`)
	withoutLogin = []byte("${1}…@")
)

// redactor walks through JSON, or what was meant to be.
type redactor struct {
	data, out []byte
	at        int
	secret    bool   // the value that comes next is one
	within    []bool // of each open object or array, whether it is
}

func (r *redactor) step() {
	switch c := r.data[r.at]; c {
	case '"':
		r.text()
	case '{', '[':
		r.within = append(r.within, r.secret)
		r.copy()
	case '}', ']':
		if len(r.within) > 0 {
			r.within = r.within[:len(r.within)-1]
		}
		r.copy()
		r.secret = r.inSecret()
	case ',':
		r.secret = r.inSecret()
		r.copy()
	case ' ', '\t', '\r', '\n', ':':
		r.copy()
	default:
		r.bare()
	}
}

func (r *redactor) inSecret() bool { return len(r.within) > 0 && r.within[len(r.within)-1] }

func (r *redactor) copy() {
	r.out = append(r.out, r.data[r.at])
	r.at++
}

// text is a name or a value.
func (r *redactor) text() {
	end := r.at + 1
	for end < len(r.data) && r.data[end] != '"' {
		if r.data[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end+1, len(r.data))
	literal := r.data[r.at:end]
	named := bytes.HasPrefix(bytes.TrimLeft(r.data[end:], " \t\r\n"), []byte{':'})
	switch {
	case named:
		r.secret = r.inSecret() || secretName.Match(literal)
		r.out = append(r.out, literal...)
	case r.secret:
		r.out = append(r.out, hidden...)
	default:
		r.out = append(r.out, literal...)
	}
	r.at = end
}

// bare is a number, a word, or garbage.
func (r *redactor) bare() {
	end := r.at
	for end < len(r.data) && !strings.ContainsRune("\"{}[],: \t\r\n", rune(r.data[end])) {
		end++
	}
	word := r.data[r.at:end]
	switch {
	case r.secret && string(word) != "null":
		r.out = append(r.out, hidden...)
	default:
		r.out = append(r.out, word...)
	}
	r.at = end
}

// RedactedText is a text without logins within URLs.
func RedactedText(text string) string { return login.ReplaceAllString(text, string(withoutLogin)) }
