package channels

import (
	"encoding/json"
	"time"
)

// Field is one entry of a channel's settings form. Settings may hold more than
// the fields, such as the secret that was rotated out: what no field names is
// kept, and never shown.
type Field struct {
	Name        string // key in the settings object, whose values are texts
	Label       string
	Help        string // a sentence or two below the entry
	Kind        FieldKind
	Options     []Option // what a Select offers; the first is what an empty value means
	Placeholder string   // an example of what to enter, or what an empty value means

	Required bool // without it Check fails, unless Renew makes it
	Advanced bool // of use to few: folded away
	Secret   bool // never given back once saved: the form says only that there is one

	// Renew puts a new value in the place of this one, whether or not there was
	// one, and gives what the owner of the far end has to know of it, which is
	// shown once. An earlier value goes on working for a while from now. Nil:
	// people enter the value. A Required field that is left empty is renewed
	// when the settings are saved for the first time.
	Renew func(settings json.RawMessage, now time.Time) (renewed json.RawMessage, shown string, err error)
}

// FieldKind is the way a value is entered. Whatever the kind, the value is a
// text, and Check has the last word on it.
type FieldKind string

// Kinds of field. The zero value is no kind.
const (
	Text   FieldKind = "text"   // one line
	URL    FieldKind = "url"    // one line, an absolute URL
	Email  FieldKind = "email"  // one line, an email address
	Lines  FieldKind = "lines"  // several lines, such as a certificate in PEM
	Select FieldKind = "select" // one of Options
)

// Option is one choice of a Select.
type Option struct {
	Value string
	Label string
}
