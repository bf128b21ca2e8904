package pages

import (
	"time"

	"tocsin/console/targets"
)

// healthView is how a target fares, in plain words.
type healthView struct {
	Word  string
	Class string // "good", "bad", "warn" or "soft"
	Text  string
}

func sayHealth(h targets.Health, l layout) healthView {
	since, last := l.When(h.Since), ""
	if !h.LastDelivered.IsZero() {
		last = " Last delivered " + l.When(h.LastDelivered) + "."
	}
	switch h.State {
	case targets.Working:
		return healthView{"Working", "good", "Since " + since + "." + last}
	case targets.Failing:
		return healthView{"Failing", "bad", "Since " + since + ": " + sentenceOr(h.Reason, "it does not say why.") + next(h.Next, l) + last}
	case targets.Paused:
		return healthView{"Paused", "warn", "Failing since " + since + ": " + sentenceOr(h.Reason, "it does not say why.") + next(h.Next, l) + last}
	case targets.Off:
		return healthView{"Switched off", "bad", "On " + since + ": " + sentenceOr(h.Reason, "it was gone.") + " Save the settings to switch it on again." + last}
	case targets.Unreadable:
		return healthView{"Unreadable", "bad", sentence(h.Reason)}
	}
	return healthView{"Set up", "soft", "Since " + since + ". Nothing was sent yet." + last}
}

func sentenceOr(reason, otherwise string) string {
	if reason == "" {
		return otherwise
	}
	return sentence(reason)
}

func next(due time.Time, l layout) string {
	if due.IsZero() {
		return ""
	}
	return " Next try " + l.When(due) + "."
}
