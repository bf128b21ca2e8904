package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/console/targets"
	"tocsin/prefs"
	"tocsin/schema"
)

// channelsView is where a user is told.
type channelsView struct {
	layout
	Cards  []card
	Absent []string // labels of channels that the installation does not offer
	Types  []schema.Type
}

// card is one channel with what was just done to it.
type card struct {
	targets.View
	layout layout
	Form   form
	Many   bool
	Where  string       // what tells the target from others
	Target targetView   // where the channel takes one, and it is set up
	Each   []targetView // where it takes many
	Renews []renewView
	Types  []schema.Type

	Shown map[string]string // by field's label: told now and never again
	Error string
}

// targetView is one target, and the result of a test of it.
type targetView struct {
	targets.Target
	Channel, Label string
	Name           string
	Health         healthView
	Tests          bool
	Chosen         string // the type that was tested, or is offered first
	Report         *targets.Report
	Types          []schema.Type
	Home           string
}

// renewView is a credential that is made for the user.
type renewView struct{ Name, Label, Help, Hint string }

// sampleType is what a test sends unless another one is chosen: it has most to
// show.
const sampleType = "stack.redeploy.fail"

func (p *Pages) showChannels(w http.ResponseWriter, r *http.Request, v visit) {
	p.answerChannels(w, r, v, http.StatusOK, outcome{})
}

// outcome is what came of a posted form.
type outcome struct {
	status  status
	channel string
	id      string

	posted map[string]string // values to be shown again, because they were not saved
	field  string            // which of them is wrong
	err    string            // why
	shown  map[string]string
	tested string // type
	report *targets.Report
}

func (p *Pages) answerChannels(w http.ResponseWriter, r *http.Request, v visit, code int, done outcome) {
	views, err := p.Channels.List(r.Context(), v.user)
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	page := channelsView{layout: p.layout(v, "Channels", "channels"), Absent: p.absent()}
	page.Status = done.status
	for _, view := range views {
		does := outcome{}
		if done.channel == view.Channel {
			does = done
		}
		page.Cards = append(page.Cards, makeCard(view, page.layout, v.profile, does))
	}
	p.show(w, code, "channels.html", page)
}

func makeCard(view targets.View, l layout, profile prefs.Profile, done outcome) card {
	c := card{View: view, layout: l, Many: view.Spec.Many, Types: schema.Types(), Shown: labelled(view.Spec, done.shown)}
	var only targets.Target
	for _, t := range view.Targets {
		shown := targetView{
			Target: t, Channel: view.Channel, Label: view.Label, Name: nameOf(t), Health: sayHealth(t.Health, l), Tests: view.Test,
			Chosen: sampleType, Types: c.Types, Home: l.Home,
		}
		if done.tested != "" && done.id == t.ID {
			shown.Chosen, shown.Report = done.tested, done.report
		}
		c.Each = append(c.Each, shown)
	}
	if !c.Many && len(c.Each) > 0 {
		c.Target, only = c.Each[0], view.Targets[0]
		c.Where = where(view.Spec, only, profile)
		c.Renews = renewals(view.Spec, only)
	}
	if done.field == "" {
		c.Error = done.err
	}
	c.Form = makeForm(view, only, done)
	return c
}

// Home is where the card's forms go.
func (c card) Home() string { return c.layout.Home }

// where tells one target from others: the first thing that its owner entered.
func where(spec channels.Spec, t targets.Target, profile prefs.Profile) string {
	for _, f := range spec.Fields {
		if f.Advanced || f.Renew != nil || f.Kind == channels.Select {
			continue
		}
		if f.Kind == channels.Email {
			return cmp.Or(t.Fields[f.Name], profile.Email) // empty stands for the platform's
		}
		if text := t.Fields[f.Name]; text != "" {
			return text
		}
		if f.Kind == channels.URL {
			return t.Secrets[f.Name]
		}
	}
	return ""
}

func nameOf(t targets.Target) string {
	if name := t.Fields["name"]; name != "" {
		return name
	}
	return t.Secrets["token"]
}

func labelled(spec channels.Spec, shown map[string]string) map[string]string {
	named := map[string]string{}
	for _, f := range spec.Fields {
		if value := shown[f.Name]; value != "" {
			named[f.Label] = value
		}
	}
	return named
}

func renewals(spec channels.Spec, t targets.Target) []renewView {
	var all []renewView
	for _, f := range spec.Fields {
		if f.Renew != nil {
			all = append(all, renewView{f.Name, f.Label, f.Help, t.Secrets[f.Name]})
		}
	}
	return all
}

// changeChannel does what the pressed button says: its "do".
func (p *Pages) changeChannel(w http.ResponseWriter, r *http.Request, v visit) {
	if !p.readForm(w, r) {
		return
	}
	done := outcome{channel: r.PostForm.Get("channel"), id: r.PostForm.Get("id")}
	do, what, _ := strings.Cut(r.PostForm.Get("do"), ":")
	var err error
	switch do {
	case "save":
		err = p.save(r, v, &done)
	case "renew":
		err = p.renew(r.Context(), v, what, prefs.Revision(r.PostForm.Get("seen")), &done)
	case "remove":
		if err = p.Channels.Delete(r.Context(), v.user, done.channel, done.id); err == nil {
			done.status.Text = p.label(done.channel) + ": removed."
		}
	case "test":
		done.tested = r.PostForm.Get("type")
		err = p.test(r.Context(), v, &done)
	default:
		err = refusal("The form says nothing to do.")
	}
	code, err := done.explain(err)
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	p.answerChannels(w, r, v, code, done)
}

func (p *Pages) save(r *http.Request, v visit, done *outcome) error {
	offered, err := p.Channels.Find(done.channel)
	if err != nil {
		return err
	}
	fields := readFields(offered.Spec, r.PostForm)
	done.posted = posted(offered.Spec, r.PostForm)
	saved, err := p.Channels.Save(r.Context(), v.user, done.channel, fields, prefs.Revision(r.PostForm.Get("seen")))
	if err != nil {
		return err
	}
	done.posted, done.shown, done.id = nil, saved.Shown, saved.ID
	done.status.Text = offered.Spec.Label + ": saved."
	if saved.Pending != nil {
		done.status.Text = "A mail was sent to " + saved.Pending.Address + ". Follow the link in it to use the address."
	}
	return nil
}

func (p *Pages) renew(ctx context.Context, v visit, field string, seen prefs.Revision, done *outcome) error {
	shown, err := p.Channels.Renew(ctx, v.user, done.channel, field, seen)
	if err == nil {
		done.shown = map[string]string{field: shown}
		done.status.Text = p.label(done.channel) + ": renewed. The earlier one signs too for 24 hours."
	}
	return err
}

func (p *Pages) test(ctx context.Context, v visit, done *outcome) error {
	report, err := p.Channels.Test(ctx, v.user, done.channel, done.id, done.tested)
	if err != nil {
		return err
	}
	done.report = &report
	done.status = status{Text: p.label(done.channel) + ": the test was delivered."}
	if !report.Delivered {
		done.status = status{Text: p.label(done.channel) + ": the test failed.", Bad: true}
	}
	return nil
}

// explain says an error to the user, where it is theirs to mend, and gives the
// status of the answer. Any other error it gives back.
func (o *outcome) explain(err error) (int, error) {
	code := http.StatusOK
	if err == nil {
		return code, nil
	}
	if invalid, ok := errors.AsType[*targets.Invalid](err); ok {
		code, o.field, o.err = http.StatusUnprocessableEntity, invalid.Field, sentence(invalid.Reason)
	} else if often, ok := errors.AsType[*targets.TooOften](err); ok {
		code, o.err = http.StatusTooManyRequests, sentence(fmt.Sprintf("%s; it can be done again in %s", often.What, often.Wait.Round(time.Second)))
	} else if no, ok := errors.AsType[refusal](err); ok {
		code, o.err = http.StatusBadRequest, string(no)
	} else if text, known := explained(err); known {
		code, o.err, o.posted = http.StatusConflict, text, nil
	} else {
		return 0, err
	}
	o.status = status{Text: o.err, Bad: true}
	return code, nil
}

// explained are errors with one meaning each.
func explained(err error) (string, bool) {
	for _, known := range [...]struct {
		is   error
		text string
	}{
		{targets.ErrNoChannel, "This installation does not offer the channel."},
		{targets.ErrNoField, "Nothing of that name can be renewed."},
		{targets.ErrNotHere, "This installation is not configured for it. Ask its operator."},
		{targets.ErrMail, "The mail could not be sent. Please try again in a minute."},
		{prefs.ErrNoTarget, "It is not set up any more."},
		{prefs.ErrChanged, "It was changed meanwhile, perhaps in another window. What is shown now is what is saved."},
		{prefs.ErrTooManyTargets, "You have set up as many as there can be. Remove one first."},
		{prefs.ErrSealed, "What was saved cannot be read any more. Save it anew."},
	} {
		if errors.Is(err, known.is) {
			return known.text, true
		}
	}
	return "", false
}

// sentence begins with a capital and ends with a stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}
