package pages

import (
	"net/url"
	"slices"
	"strings"

	"tocsin/channels"
	"tocsin/console/targets"
	"tocsin/prefs"
)

// form is how a channel is set up or changed, made from its Spec.
type form struct {
	Seen     prefs.Revision
	Fields   []fieldView
	Advanced []fieldView
	Unfold   bool // Advanced holds what is wrong
	Open     bool
}

// fieldView is one entry of a form.
type fieldView struct {
	channels.Field
	ID    string
	Value string
	Hint  string // of a secret that is saved
	Error string
}

// Needed reports whether a browser has to insist.
func (f fieldView) Needed() bool { return f.Required && f.Renew == nil && f.Hint == "" }

// Clears reports whether a saved secret can be taken away.
func (f fieldView) Clears() bool { return f.Hint != "" && !f.Required }

func makeForm(view targets.View, t targets.Target, done outcome) form {
	f := form{Seen: t.Revision, Open: done.err != "" || len(done.posted) > 0}
	if f.Seen == "" && !view.Spec.Many {
		f.Seen = prefs.NoRevision
	}
	for _, field := range view.Spec.Fields {
		shown := fieldView{Field: field, ID: view.Channel + "-" + field.Name, Value: t.Fields[field.Name], Hint: t.Secrets[field.Name]}
		if value, entered := done.posted[field.Name]; entered {
			shown.Value = value
		}
		if done.field == field.Name {
			shown.Error = done.err
		}
		if field.Advanced || field.Renew != nil {
			f.Advanced = append(f.Advanced, shown)
			f.Unfold = f.Unfold || shown.Error != ""
		} else {
			f.Fields = append(f.Fields, shown)
		}
	}
	return f
}

// readFields takes what was entered. Secrets that were left empty are left out,
// which keeps them; one that is to be cleared is empty.
func readFields(spec channels.Spec, entered url.Values) map[string]any {
	fields := map[string]any{}
	for _, f := range spec.Fields {
		value := strings.ReplaceAll(entered.Get(f.Name), "\r\n", "\n")
		switch {
		case slices.Contains(entered["clear"], f.Name):
			fields[f.Name] = ""
		case value != "" || !f.Secret:
			fields[f.Name] = value
		}
	}
	return fields
}

// posted is what the form shows again. Secrets are not.
func posted(spec channels.Spec, entered url.Values) map[string]string {
	values := map[string]string{}
	for _, f := range spec.Fields {
		if !f.Secret {
			values[f.Name] = entered.Get(f.Name)
		}
	}
	return values
}
