package prefs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/prefs"
	"tocsin/schema"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestPlan(t *testing.T) {
	t.Parallel()
	const redeployed, started = "stack.redeploy.ok", "stack.deploy.started" // on and off by default
	everywhere := []string{"email", "ios", "hipchat", "webhook"}
	mail, hook := prefs.TargetRef{"email", "main"}, prefs.TargetRef{"webhook", "main"}
	phone, pad := prefs.TargetRef{"ios", "phone"}, prefs.TargetRef{"ios", "pad"}
	choose := func(typeName, channel string, on bool) map[prefs.Cell]bool {
		return map[prefs.Cell]bool{{Type: typeName, Channel: channel}: on}
	}
	tests := map[string]struct {
		event      schema.Event
		recipients []prefs.Recipient
		offered    []string
		want       []string // user/channel/target
	}{
		"nobody": {
			event: schema.Event{Type: redeployed}, offered: everywhere,
		},
		"nothing set up": {
			event: schema.Event{Type: redeployed}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada"}},
		},
		"a type that is on by default goes to every target": {
			event: schema.Event{Type: redeployed}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Targets: []prefs.TargetRef{hook, mail}}},
			want:       []string{"ada/email/main", "ada/webhook/main"},
		},
		"a type that is off by default goes nowhere": {
			event: schema.Event{Type: started}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Targets: []prefs.TargetRef{hook, mail}}},
		},
		"a type that is off by default goes where the user wants it": {
			event: schema.Event{Type: started}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Choices: choose(started, "email", true), Targets: []prefs.TargetRef{hook, mail}}},
			want:       []string{"ada/email/main"},
		},
		"a type that the user switched off for one channel": {
			event: schema.Event{Type: redeployed}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Choices: choose(redeployed, "email", false), Targets: []prefs.TargetRef{hook, mail}}},
			want:       []string{"ada/webhook/main"},
		},
		"a choice for another type means nothing": {
			event: schema.Event{Type: redeployed}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Choices: choose(started, "email", false), Targets: []prefs.TargetRef{mail}}},
			want:       []string{"ada/email/main"},
		},
		"every device": {
			event: schema.Event{Type: redeployed}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Targets: []prefs.TargetRef{phone, pad}}},
			want:       []string{"ada/ios/pad", "ada/ios/phone"},
		},
		"a channel that is not offered": {
			event: schema.Event{Type: redeployed}, offered: []string{"email"},
			recipients: []prefs.Recipient{{User: "ada", Targets: []prefs.TargetRef{hook, mail}}},
			want:       []string{"ada/email/main"},
		},
		"an event for one user": {
			event: schema.Event{Type: "app.auth", User: "bob"}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Targets: []prefs.TargetRef{mail}}, {User: "bob", Targets: []prefs.TargetRef{mail}}},
			want:       []string{"bob/email/main"},
		},
		"an unknown type is off": {
			event: schema.Event{Type: "moon.full"}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "ada", Targets: []prefs.TargetRef{mail}}},
		},
		"a member met twice is told once": {
			event: schema.Event{Type: redeployed}, offered: everywhere,
			recipients: []prefs.Recipient{{User: "bob", Targets: []prefs.TargetRef{mail}}, {User: "ada", Targets: []prefs.TargetRef{mail}}, {User: "bob", Targets: []prefs.TargetRef{mail}}},
			want:       []string{"ada/email/main", "bob/email/main"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, d := range deliveries(prefs.Plan(test.event, test.recipients, test.offered, noon)) {
				got = append(got, d.User+"/"+d.Channel+"/"+d.Target)
				require.Equal(t, schema.Delivery{Event: test.event, User: d.User, Channel: d.Channel, Target: d.Target, Planned: noon}, d)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func deliveries(plans []schema.Plan) []schema.Delivery {
	var all []schema.Delivery
	for _, p := range plans {
		all = append(all, p.Deliveries...)
	}
	return all
}

func TestPlanSaysWhyAMemberIsNotTold(t *testing.T) {
	t.Parallel()
	const redeployed, started = "stack.redeploy.ok", "stack.deploy.started" // on and off by default
	phone, pad := prefs.TargetRef{"ios", "phone"}, prefs.TargetRef{"ios", "pad"}
	skipped := func(channel, target string, rule schema.Rule) schema.Skipped {
		return schema.Skipped{Channel: channel, Target: target, Rule: rule}
	}
	for name, test := range map[string]struct {
		typeName  string
		recipient prefs.Recipient
		want      []schema.Skipped
	}{
		"nothing is set up": {
			redeployed, prefs.Recipient{},
			[]schema.Skipped{skipped("email", "", schema.RuleNotSetUp), skipped("ios", "", schema.RuleNotSetUp)},
		},
		"one of two devices is gone": {
			redeployed, prefs.Recipient{Targets: []prefs.TargetRef{phone}, Off: []prefs.TargetRef{pad}},
			[]schema.Skipped{skipped("email", "", schema.RuleNotSetUp), skipped("ios", "pad", schema.RuleTargetOff)},
		},
		"the user does not want the type, and then it does not matter that a device is gone": {
			redeployed, prefs.Recipient{
				Choices: map[prefs.Cell]bool{{Type: redeployed, Channel: "ios"}: false},
				Targets: []prefs.TargetRef{phone}, Off: []prefs.TargetRef{pad},
			},
			[]schema.Skipped{skipped("email", "", schema.RuleNotSetUp), skipped("ios", "", schema.RuleChosenOff)},
		},
		"the type is off by default": {
			started, prefs.Recipient{Targets: []prefs.TargetRef{phone}},
			[]schema.Skipped{skipped("email", "", schema.RuleNotSetUp), skipped("ios", "", schema.RuleDefaultOff)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plans := prefs.Plan(schema.Event{Type: test.typeName}, []prefs.Recipient{test.recipient}, []string{"ios", "email"}, noon)
			require.Len(t, plans, 1)
			require.Equal(t, test.want, plans[0].Skipped)
		})
	}
}

func TestPlanProperties(t *testing.T) {
	t.Parallel()
	channels := []string{"email", "ios", "hipchat", "webhook"}
	var typeNames []string
	for _, known := range schema.Types() {
		typeNames = append(typeNames, known.Name)
	}
	cell := rapid.Custom(func(t *rapid.T) prefs.Cell {
		return prefs.Cell{Type: rapid.SampledFrom(typeNames).Draw(t, "type"), Channel: rapid.SampledFrom(channels).Draw(t, "channel")}
	})
	target := rapid.Custom(func(t *rapid.T) prefs.TargetRef {
		return prefs.TargetRef{Channel: rapid.SampledFrom(channels).Draw(t, "channel"), ID: rapid.SampledFrom([]string{"main", "a", "b"}).Draw(t, "id")}
	})
	recipient := rapid.Custom(func(t *rapid.T) prefs.Recipient {
		return prefs.Recipient{
			User:    rapid.StringMatching(`[ab]{1,3}`).Draw(t, "user"),
			Choices: rapid.MapOf(cell, rapid.Bool()).Draw(t, "choices"),
			Targets: rapid.SliceOfN(target, 0, 6).Draw(t, "targets"),
			Off:     rapid.SliceOfN(target, 0, 3).Draw(t, "off"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		e := schema.Event{ID: "1", Source: "s", Type: rapid.SampledFrom(typeNames).Draw(t, "type"), User: rapid.SampledFrom([]string{"", "", "a", "ab"}).Draw(t, "only")}
		recipients := rapid.SliceOfNDistinct(recipient, 0, 8, func(r prefs.Recipient) string { return r.User }).Draw(t, "recipients")
		offered := rapid.SliceOfDistinct(rapid.SampledFrom(channels), func(c string) string { return c }).Draw(t, "offered")

		plan := prefs.Plan(e, recipients, offered, noon)

		planned := make(map[string]bool)
		for _, d := range deliveries(plan) {
			require.False(t, planned[d.ID()], "delivery id %s twice", d.ID())
			planned[d.ID()] = true
		}
		wanted := make(map[string]bool)
		for _, r := range recipients {
			for _, target := range r.Targets {
				if told(e, r, target, offered) {
					wanted[schema.Delivery{Event: e, User: r.User, Channel: target.Channel, Target: target.ID}.ID()] = true
				}
			}
		}
		require.Equal(t, wanted, planned)
		for _, p := range plan {
			for _, channel := range offered {
				told := slices.ContainsFunc(p.Deliveries, func(d schema.Delivery) bool { return d.Channel == channel })
				skipped := slices.ContainsFunc(p.Skipped, func(s schema.Skipped) bool { return s.Channel == channel && s.Rule.String() != "" })
				require.True(t, told || skipped, "%s is neither told by %s nor is it said why not", p.User, channel)
			}
		}

		for i := range recipients {
			slices.Reverse(recipients[i].Targets)
			slices.Reverse(recipients[i].Off)
		}
		slices.Reverse(recipients)
		require.Equal(t, plan, prefs.Plan(e, recipients, offered, noon), "the order of what is given shows in the plan")
	})
}

// told is the rule of who is told, said a second time and as plainly as can be.
func told(e schema.Event, r prefs.Recipient, target prefs.TargetRef, offered []string) bool {
	on, chosen := r.Choices[prefs.Cell{Type: e.Type, Channel: target.Channel}]
	if !chosen {
		on = e.Type != "stack.deploy.started"
	}
	return on && slices.Contains(offered, target.Channel) && (e.User == "" || e.User == r.User)
}
