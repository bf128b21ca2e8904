package email

import (
	"cmp"
	"strings"
	"time"
	_ "time/tzdata" // people's time zones, also where the system has no list of them

	"tocsin/channels"
	"tocsin/schema"
)

// page is what the templates show.
type page struct {
	channels.Notice
	Facts   []fact // with times as the person's clock shows them
	Subject string
	Mood    string // "good", "bad" or "neutral"
	Summary string // what an inbox shows behind the subject, and none of it again
	Open    string // what the link's button says
	Type    string // name of the event type
	Meaning string // of the event type, as the settings page words it
	Chosen  bool   // the person may stop mails of this type
	Asks    bool   // it asks the owner of the address, who may know nothing of us
	Stop    string // where to; empty: in the settings only
}

type fact struct{ Label, Value, Line string }

func newPage(d schema.Delivery, person channels.Person) page {
	notice := channels.DescribeDelivery(d)
	kind, _ := schema.TypeNamed(d.Event.Type)
	typeName := singleLine(d.Event.Type)
	p := page{
		Notice:  notice,
		Subject: notice.Title,
		Mood:    moods[notice.Outcome],
		Open:    "Open the " + cmp.Or(kind.Group, "details"),
		Type:    typeName,
		Meaning: cmp.Or(kind.Meaning, typeName),
		Chosen:  !schema.IsNotice(d.Event.Type),
	}
	if d.Event.Type == schema.ConfirmAddress {
		p.Asks, p.Chosen, p.Open = true, false, "Confirm this address"
	}
	if notice.Stack != "" && !strings.Contains(notice.Title, notice.Stack) {
		p.Subject += " (" + notice.Stack + ")"
	}
	place := placeOf(person)
	var summary []string
	for _, f := range notice.Facts {
		shown := fact{f.Label, f.In(place), f.Line(place)}
		p.Facts = append(p.Facts, shown)
		switch {
		case strings.Contains(p.Subject, f.Value):
		case f.ReadsOn() || f.Label == "Schedule":
			summary = append(summary, shown.Line)
		default:
			summary = append(summary, shown.Value)
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
