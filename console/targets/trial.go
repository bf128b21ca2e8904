package targets

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/prefs"
	"tocsin/schema"
)

// mostTests is how many tests one user may make in a minute.
const mostTests = 10

// Report is what came of a test.
type Report struct {
	Delivered    bool                `json:"delivered" doc:"Whether the far end accepted it."`
	Status       string              `json:"status,omitempty" doc:"What the far end said: 204, 550 5.1.1."`
	Milliseconds int64               `json:"milliseconds" doc:"How long it took."`
	Headers      map[string][]string `json:"headers,omitempty" doc:"Of the far end's answer."`
	Excerpt      string              `json:"excerpt,omitempty" doc:"The beginning of the far end's answer."`
	Signed       string              `json:"signed,omitempty" doc:"The beginning of what was signed, where the channel signs."`
	Error        string              `json:"error,omitempty" doc:"Why it was not delivered."`
	Advice       string              `json:"advice,omitempty" doc:"What to do about it."`
}

// Test sends a sample of an event type to one target, now and by the path that
// deliveries go, and tells what passed. Credentials are masked in it, also where
// the far end repeats them. A target that is switched off is tried all the same.
func (c *Channels) Test(ctx context.Context, user, channel, id, typeName string) (Report, error) {
	offered, err := c.Find(channel)
	if err != nil {
		return Report{}, err
	}
	if offered.Channel == nil {
		return Report{}, fmt.Errorf("test channel %s: %w", channel, ErrNotHere)
	}
	event, err := schema.Sample(typeName)
	if err != nil {
		return Report{}, &Invalid{Field: "type", Reason: "it is not an event type"}
	}
	event.ID, event.Source, event.Account, event.Time = rand.Text(), "tocsin/test", "test", time.Now()
	to, err := c.target(ctx, user, prefs.TargetRef{Channel: channel, ID: id})
	if err != nil {
		return Report{}, err
	}
	if err := c.Allow(ctx, "too many tests", "test/"+user, mostTests, time.Minute); err != nil {
		return Report{}, err
	}
	d := schema.Delivery{Event: event, User: user, Channel: channel, Target: id, Planned: event.Time}
	ctx, cancel := context.WithTimeout(ctx, offered.Spec.Timeout)
	defer cancel()
	trial := channels.Try(ctx, offered.Channel, d, to)
	return report(trial, secretsIn(offered.Spec, decode(to.Settings))), nil
}

func (c *Channels) target(ctx context.Context, user string, ref prefs.TargetRef) (channels.Target, error) {
	profile, err := c.Store.User(ctx, user)
	if err != nil {
		return channels.Target{}, err
	}
	all, err := c.Store.Targets(ctx, user)
	if err != nil {
		return channels.Target{}, err
	}
	for _, t := range all {
		if t.TargetRef == ref {
			return channels.Target{ID: ref.ID, Settings: t.Settings, Since: t.Since, Person: channels.Person(profile)}, t.Err
		}
	}
	return channels.Target{}, fmt.Errorf("find %s of user %s: %w", ref, user, prefs.ErrNoTarget)
}

// report hides what the channel has hidden already, and more: it may not know
// every setting for a credential.
func report(trial channels.Trial, secrets []string) Report {
	trial.Hide(secrets...)
	r := Report{
		Delivered: trial.Err == nil, Status: trial.Status, Milliseconds: trial.Took.Milliseconds(),
		Headers: trial.Header, Excerpt: trial.Excerpt, Signed: trial.Signed,
	}
	if trial.Err != nil {
		failure := channels.FailureOf(trial.Err)
		said := channels.Exchange{Excerpt: failure.Error()}
		said.Hide(secrets...)
		r.Error, r.Advice = said.Excerpt, advice(failure)
	}
	return r
}

// advice is what the owner of a target can do about a failure.
func advice(f channels.Failure) string {
	code, _, _ := strings.Cut(f.Status, " ")
	switch {
	case f.Kind == channels.Misconfigured:
		return "This is not your fault: the operator of this installation has to mend it. What is to be sent waits until then."
	case code == "401", code == "403":
		return "The far end does not accept the credentials. Check the token or the headers, and that they are allowed to post here."
	case code == "404":
		return "There is nothing at this address. Check the URL or the room."
	case code == "405":
		return "The far end takes no POST at this address. Check the URL."
	case code == "410", f.Kind == channels.Gone:
		return "The far end says that this target is no more, and wants nothing further. If that is wrong, mend it there and save the channel anew."
	case code == "413":
		return "The far end finds the message too large. Raise its limit: a message can have some hundred kilobytes."
	case code == "429":
		return "The far end is asked too often. Deliveries wait for as long as it says, and are then tried again."
	case len(code) == 3 && code[0] == '3':
		return "The far end sends us elsewhere, and redirects are not followed. Save the address that it names."
	case f.Kind == channels.Permanent:
		return "Trying again would not help. Mend what the error says, and save the channel."
	case len(code) == 3 && code[0] == '5':
		return "The far end has a fault of its own. Look at its log; deliveries are tried again for hours."
	case f.Status == "":
		return "The far end gave no answer. Check that it runs, that it can be reached from the internet, and that its certificate is valid; deliveries are tried again for hours."
	}
	return "Deliveries are tried again for hours. Check the far end if this goes on."
}
