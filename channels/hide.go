package channels

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// shortestSecret is what can be taken out of a text without spoiling it: a
// shorter one would be found in ordinary words.
const shortestSecret = 6

// Hide takes secrets out of what is shown, as they are and in the forms in
// which a far end may repeat them: escaped for JSON, HTML or a URL, or in
// base64. Of a credential (RFC 9110 section 11.4) what follows the scheme is
// hidden by itself too. It is called
// before the excerpt is cut, and takes along the beginning of a secret at the
// end of a text, which somebody else has cut.
func (e *Exchange) Hide(secrets ...string) {
	forms := formsOf(secrets)
	e.Status, e.Excerpt, e.Signed = hide(e.Status, forms), hide(e.Excerpt, forms), hide(e.Signed, forms)
	shown := make(map[string][]string, len(e.Header))
	for name, values := range e.Header {
		for _, value := range values {
			shown[hide(name, forms)] = append(shown[hide(name, forms)], hide(value, forms))
		}
	}
	if e.Header != nil {
		e.Header = shown
	}
}

// Hidden is a text without these secrets, as Hide leaves them out.
func Hidden(text string, secrets ...string) string { return hide(text, formsOf(secrets)) }

// formsOf are what to look for, longest first, so that no part of a secret
// stays because another part was found before the whole.
func formsOf(secrets []string) []string {
	var forms []string
	for _, secret := range secrets {
		words := strings.Fields(secret)
		for _, part := range append(words[min(len(words), 1):], secret) {
			if len(part) >= shortestSecret {
				forms = append(forms, encodingsOf(part)...)
			}
		}
	}
	longestFirst := func(a, b string) int { return len(b) - len(a) }
	slices.SortStableFunc(forms, longestFirst)
	return slices.Compact(forms)
}

func encodingsOf(secret string) []string {
	inJSON, _ := json.Marshal(secret) // a text always can be
	return []string{
		secret, strings.Trim(string(inJSON), `"`), html.EscapeString(secret), url.QueryEscape(secret), url.PathEscape(secret),
		strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
		strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(secret)), "="),
	}
}

func hide(text string, forms []string) string {
	text = withoutEnd(text, forms)
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, "…")
	}
	return text
}

// withoutEnd cuts off the beginning of a secret.
func withoutEnd(text string, forms []string) string {
	longest := 0
	for _, form := range forms {
		if strings.HasSuffix(text, form) {
			return text
		}
		for n := longest + 1; n < len(form); n++ {
			if strings.HasSuffix(text, form[:n]) {
				longest = n
			}
		}
	}
	if longest < shortestSecret {
		return text
	}
	return text[:len(text)-longest] + "…"
}
