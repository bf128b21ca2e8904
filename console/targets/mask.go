package targets

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"tocsin/channels"
)

// mask stands for what is not shown.
const mask = "••••"

// hint is what helps the owner to recognise a credential: the host of a URL, or
// the last characters of a text that is long enough to stay secret without them.
func hint(field channels.Field, value string) string {
	const shown, enough = 4, 20
	if u, err := url.Parse(value); field.Kind == channels.URL && err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host + "/" + mask
	}
	if field.Kind == channels.Text && len(value) >= enough {
		return mask + value[len(value)-shown:]
	}
	return mask
}

// secretsIn lists what must not be shown of settings: the values of secret
// fields, their parts, and everything that no field names.
func secretsIn(spec channels.Spec, s settings) []string {
	var secrets []string
	for name, value := range s {
		known := slices.IndexFunc(spec.Fields, func(f channels.Field) bool { return f.Name == name })
		if known < 0 || spec.Fields[known].Secret {
			secrets = append(secrets, parts(value)...)
		}
	}
	return secrets
}

// parts are the texts in a value: a credential can stand in a line of headers
// after its name, behind a scheme such as Bearer, or in the path of a URL.
func parts(value json.RawMessage) []string {
	decoder := json.NewDecoder(bytes.NewReader(value))
	var all []string
	for {
		token, err := decoder.Token()
		if err != nil {
			return all
		}
		if s, ok := token.(string); ok {
			all = append(all, s)
			for line := range strings.Lines(s) {
				_, value, _ := strings.Cut(line, ":")
				for _, part := range []string{line, value, lastWord(value), pathOf(line)} {
					all = append(all, strings.TrimSpace(part))
				}
			}
		}
	}
}

func lastWord(s string) string {
	words := strings.Fields(s)
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

func pathOf(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.TrimPrefix(u.RequestURI(), "/")
}
