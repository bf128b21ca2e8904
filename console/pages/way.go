package pages

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tocsin/ledger"
	"tocsin/prefs"
	"tocsin/schema"
)

// wayView is one delivery of an event: by a channel, to one target.
type wayView struct {
	ledger.Delivery
	Label   string
	Target  string // the name of a device; empty where there is only one target
	Outcome string // in a word or two
	Class   string // "good", "bad", "warn" or "soft"
	Detail  string
	History []passageView
	Replay  int // the number that sending it again would have; 0: it is on its way
}

// passageView is a record of what happened to a delivery.
type passageView struct {
	At   time.Time
	Text string
}

func (p *Pages) way(d ledger.Delivery, names map[prefs.TargetRef]string, l layout) wayView {
	last := d.Last()
	w := wayView{Delivery: d, Label: p.label(d.Channel), Target: names[prefs.TargetRef{Channel: d.Channel, ID: d.Target}]}
	switch d.State {
	case ledger.Delivered:
		w.Outcome, w.Class, w.Detail = "Delivered", "good", delivered(last)
	case ledger.Suppressed:
		w.Outcome, w.Class, w.Detail = "Not sent", "soft", "While it waited: "+why(last.Rule)+"."
	case ledger.Dead:
		w.Outcome, w.Class, w.Detail = "Given up", "bad", failed(last)
	default:
		w.Outcome, w.Class, w.Detail = "On its way", "soft", ""
		if last.Kind == schema.RecordFailed {
			w.Outcome, w.Class, w.Detail = "Will be tried again", "warn", failed(last)
		}
		if !d.Next.IsZero() {
			w.Detail += " Next try " + l.When(d.Next) + "."
		}
	}
	if d.State != ledger.Waiting {
		w.Replay = d.Replays() + 1
	}
	if len(d.Records) < 2 {
		return w // it says nothing that is not said already
	}
	for _, r := range d.Records {
		w.History = append(w.History, passageView{r.At, passage(r)})
	}
	return w
}

// delivered says what the far end answered, as far as it says anything.
func delivered(r schema.Record) string {
	var parts []string
	if r.Status != "" {
		parts = append(parts, "answered "+r.Status)
	}
	if r.Took > 0 {
		parts = append(parts, "took "+milliseconds(r.Took))
	}
	if r.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("at attempt %d", r.Attempt))
	}
	return sentence(strings.Join(parts, ", "))
}

func failed(r schema.Record) string {
	text := "Attempt " + fmt.Sprint(r.Attempt) + " failed"
	if r.Attempt == 0 {
		text = "It could not be sent"
	}
	if r.Reason != "" {
		return text + ": " + r.Reason + "."
	}
	return text + "."
}

// passage is a record in a line.
func passage(r schema.Record) string {
	switch r.Kind {
	case schema.RecordFailed, schema.RecordDead:
		text := failed(r)
		if r.Took > 0 {
			text += " It took " + milliseconds(r.Took) + "."
		}
		if r.Kind == schema.RecordDead {
			text += " No further attempt is made."
		}
		return text
	case schema.RecordDelivered:
		return "Delivered. " + delivered(r)
	case schema.RecordSuppressed:
		return "Not sent: " + why(r.Rule) + "."
	case schema.RecordReplayed:
		return "Sent on its way again."
	}
	return string(r.Kind)
}

// milliseconds are what people compare; a second decimal would be noise.
func milliseconds(d time.Duration) string {
	if d < time.Millisecond {
		return "less than 1 ms"
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// why says a rule to the user whom it is about.
func why(r schema.Rule) string {
	switch r {
	case schema.RuleNotMember:
		return "you have left the account"
	case schema.RuleNotSetUp:
		return "not set up"
	case schema.RuleTargetOff:
		return "it was switched off, because it was gone or failed for too long"
	case schema.RuleChosenOff:
		return "you switched this off"
	case schema.RuleDefaultOff:
		return "off by default"
	}
	return r.String()
}

// settingsText is one text of a target's settings.
func settingsText(settings json.RawMessage, name string) string {
	var all map[string]json.RawMessage
	var text string
	if json.Unmarshal(settings, &all) != nil || json.Unmarshal(all[name], &text) != nil {
		return ""
	}
	return text
}
