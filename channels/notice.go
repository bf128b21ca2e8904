package channels

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"tocsin/schema"
)

// Notice is an event in words, for channels that people read. All its texts
// are one line of printable characters, and none comes from a field of the
// data that may hold a credential.
type Notice struct {
	Title    string // what happened to what: "Redeploy of Ledger failed"
	Outcome  schema.Outcome
	Resource string // name of what it happened to; its id if it has no name
	Stack    string // name of the stack that it belongs to; may be empty
	Facts    []Fact // for a table below the title
	Link     string // absolute http or https URL, or empty

	Thread      string // same for all events of one resource: server.backon follows server.stopped
	Incident    string // same for all events of one deployment, where the event tells which; else as Thread
	StackThread string // same for all events of one stack, as far as the event tells
}

// Fact is one detail of a Notice.
type Fact struct {
	Label string
	Value string    // a moment is given in UTC
	Time  time.Time // the moment, if the fact is one
}

// Line is the fact in one line: "Branch: main", "Down for 2 h 14 min".
func (f Fact) Line(place *time.Location) string {
	if f.ReadsOn() {
		return f.Label + " " + f.In(place)
	}
	return f.Label + ": " + f.In(place)
}

// ReadsOn reports whether label and value are a phrase: without the label the
// value would say little.
func (f Fact) ReadsOn() bool { return strings.HasSuffix(f.Label, " for") }

// In gives the value as somebody in this place reads it.
func (f Fact) In(place *time.Location) string {
	if f.Time.IsZero() {
		return f.Value
	}
	return clock(f.Time.In(place))
}

// clock names the zone; where it has no letters, it says from what it counts.
func clock(t time.Time) string {
	layout := "2 Jan 2006, 15:04:05 MST"
	if zone, _ := t.Zone(); strings.HasPrefix(zone, "+") || strings.HasPrefix(zone, "-") {
		layout = "2 Jan 2006, 15:04:05 UTC-07:00"
	}
	return t.Format(layout)
}

// Describe puts an event in words. It takes whatever the platform put in the
// data: what is missing or malformed is left out.
func Describe(e schema.Event) Notice {
	d := describe(e)
	return Notice{
		Title:       clean(d.title(), longestValue),
		Outcome:     outcomeOf(e.Type),
		Resource:    d.resource(),
		Stack:       d.stack(),
		Facts:       d.facts(),
		Link:        webLink(e.Link),
		Thread:      e.Resource(),
		Incident:    d.incident(),
		StackThread: d.stackThread(),
	}
}

// DescribeDelivery is Describe with what the fleet knows beside the event: how
// long its resource was down.
func DescribeDelivery(d schema.Delivery) Notice {
	n := Describe(d.Event)
	if fact := outage(d); fact != nil {
		n.Facts = append([]Fact{*fact}, n.Facts...)
	}
	return n
}

// outcomeOf a notice of ours is bad: somebody has to act.
func outcomeOf(typeName string) schema.Outcome {
	if schema.IsNotice(typeName) {
		return schema.Bad
	}
	kind, _ := schema.TypeNamed(typeName)
	return kind.Outcome
}

type describer struct {
	event schema.Event
	data  fields
	group string // of the event's type
}

func describe(e schema.Event) describer {
	kind, _ := schema.TypeNamed(e.Type)
	return describer{event: e, data: decodeFields(e.Data), group: kind.Group}
}

func (d describer) resource() string {
	return cmp.Or(d.name(), d.uid())
}

// name falls back to the agent record's server: the body of server events
// names the server only by its uid (or not at all).
func (d describer) name() string {
	given := d.data.text("name")
	switch d.group {
	case "process":
		given = cmp.Or(d.data.text("process_name"), given)
	case "server":
		given = cmp.Or(given, d.data.child("server").text("name"))
	}
	return cmp.Or(given, clean(d.event.ResourceName, longestValue))
}

func (d describer) uid() string {
	switch d.group {
	case "server":
		return cmp.Or(d.data.text("server"), d.data.child("server").text("uid"), d.data.text("uid"), d.subjectID())
	case "app":
		return cmp.Or(d.data.text("app"), d.subjectID())
	}
	return cmp.Or(d.data.text("uid"), d.subjectID())
}

func (d describer) subjectID() string {
	return clean(lastPathPart(d.event.Subject), longestValue)
}

// server is where a process runs.
func (d describer) server() string {
	return cmp.Or(d.data.child("server").text("name"), d.data.text("server_name"))
}

func (d describer) stack() string {
	own := ""
	if d.group == "stack" {
		own = d.data.text("name")
	}
	return cmp.Or(own,
		clean(d.event.StackName, longestValue),
		d.data.text("stack_name"),
		d.data.child("stack").text("name"))
}

// stackThread prefers the name, because events of servers and jobs seldom
// carry the uid of their stack.
func (d describer) stackThread() string {
	if id := cmp.Or(d.stack(), d.data.text("stack_uid"), d.data.child("stack").text("uid")); id != "" {
		return "stack/" + id
	}
	return d.event.Resource()
}

// incident tells deployments of one stack apart by their start, which is all
// that their events have in common. An outage has no such mark.
func (d describer) incident() string {
	started := d.deploy().moment("started_at")
	if d.group != "stack" || started.IsZero() {
		return d.event.Resource()
	}
	return d.event.Resource() + "/" + started.UTC().Format(time.RFC3339Nano)
}

func (d describer) deploy() fields { return d.data.child("deploy_context") }

func webLink(published string) string {
	u, err := url.Parse(published)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	if link := u.String(); len(link) <= longestLink && isPrintableASCII(link) {
		return link
	}
	return ""
}

// longestLink is what mail programs and browsers are known to take; longer
// ones also crowd out the text of a push notification.
const longestLink = 2000
