package channels

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"tocsin/schema"
)

func (d describer) facts() []Fact {
	return append(d.named(), d.moments()...)
}

// named lists every field of the data that people get to see, where it tells
// them more than the title. It is a list of what is allowed: redeploy_hook,
// ssh_private_key, server_registration_script, git and params may hold
// credentials.
func (d describer) named() []Fact {
	var facts []Fact
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, Fact{Label: label, Value: value})
		}
	}
	if stack := d.stack(); stack != d.resource() {
		add("Stack", stack)
	}
	switch d.group {
	case "stack", "": // none: a type that we do not know
		add("Environment", d.data.text("environment"))
		add("Branch", d.data.text("git_branch"))
		add("Health", d.poorHealth())
		add("Triggered by", d.deploy().text("triggered_by"))
	case "server":
		add("Address", cmp.Or(d.data.text("ext_ipv4"), d.data.child("server").text("ext_ipv4")))
		add("Region", cmp.Or(d.data.text("region"), d.data.child("server").text("region")))
	case "job":
		add("Schedule", d.data.text("cron"))
	}
	if schema.IsNotice(d.event.Type) {
		add("Reason", d.data.text("reason"))
	}
	return facts
}

// poorHealth is what the stack runs at after a deployment, if that is no more
// than half well. "Healthy" says little beside a failure: it is what still ran
// before.
func (d describer) poorHealth() string {
	if d.event.Type == "stack.provision.fail" {
		return "" // there was nothing before
	}
	return map[string]string{"2": "Impaired", "4": "Failed"}[d.data.text("health")] // stack.go of Cloud 66's Go SDK
}

func (d describer) moments() []Fact {
	if d.event.Type == schema.ChannelFailing {
		return append(moment("Failing since", d.data.moment("since")), moment("Will be switched off", d.data.moment("off"))...)
	}
	started, finished := d.deploy().moment("started_at"), d.deploy().moment("finished_at")
	switch {
	case !finished.IsZero() && !started.IsZero() && !finished.Before(started):
		return append(moment("Finished", finished), Fact{Label: "Took", Value: span(finished.Sub(started))})
	case !finished.IsZero():
		return moment("Finished", finished)
	case !started.IsZero():
		return moment("Started", started)
	}
	return moment("When", d.event.Time)
}

// outage is how long it lasted, or nil.
func outage(d schema.Delivery) *Fact {
	lasted := d.Event.Time.Sub(d.Since)
	if d.Since.IsZero() || lasted < time.Second {
		return nil
	}
	label := "Down for"
	if kind, _ := schema.TypeNamed(d.Event.Type); kind.Group == "job" {
		label = "Failed for"
	}
	return &Fact{Label: label, Value: span(lasted)}
}

func moment(label string, t time.Time) []Fact {
	if t.IsZero() {
		return nil
	}
	return []Fact{{Label: label, Value: clock(t.UTC()), Time: t}}
}

// span is a duration in its two largest units: "3 min 34 s", "2 h 5 min".
func span(d time.Duration) string {
	d = d.Round(time.Second)
	var parts []string
	for _, unit := range [...]struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if n := d / unit.size; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprint(int64(n), " ", unit.name))
		}
		d %= unit.size
	}
	return cmp.Or(strings.Join(parts, " "), "0 s")
}
