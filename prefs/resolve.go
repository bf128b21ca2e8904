package prefs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"tocsin/breaker"
	"tocsin/schema"
)

// Resolution is what the preferences say of a delivery at this moment.
type Resolution struct {
	// Suppressed is the rule by which the delivery is not made any more; if it
	// is empty, send. Profile is empty and Settings nil where it is set.
	Suppressed schema.Rule
	Why        string // Suppressed, in words for people

	Settings json.RawMessage // of the target, in the clear
	Since    time.Time       // when these settings were saved
	Profile  Profile

	// Fares is how the target fares, as SwapFare takes it. It was read together
	// with all else.
	Fares breaker.Record
}

// Resolve reads, in a round trip that it shares with others, whether a delivery
// is still to be made and to where. Call it at every attempt. Settings that the keyring cannot open are
// ErrSealed: the delivery waits for the operator and is not dropped.
func (s *Store) Resolve(ctx context.Context, d schema.Delivery) (Resolution, error) {
	cell, ref := Cell{d.Event.Type, d.Channel}, TargetRef{d.Channel, d.Target}
	var reply resolveReply
	err := s.shared.send(ctx, func(p redis.Pipeliner) { reply = askAbout(ctx, p, d) })
	if err = cmp.Or(err, reply.err()); err != nil {
		return Resolution{}, fmt.Errorf("read the preferences of user %s: %w", d.User, err)
	}
	m, suppressed, err := reply.verdict(cell)
	if suppressed != "" || err != nil {
		return Resolution{Suppressed: suppressed, Why: inWords(suppressed, m)}, err
	}
	settings, err := s.keys.open(d.User, ref, reply.sealed.Val())
	if err != nil {
		return Resolution{}, err
	}
	profile, err := parseProfile(d.User, reply.profile.Val())
	if err != nil {
		return Resolution{}, err
	}
	fares := breaker.ParseRecord(reply.fares.Val())
	return Resolution{Settings: settings, Since: m.at, Profile: profile, Fares: fares}, nil
}

type resolveReply struct {
	member  *redis.BoolCmd
	fields  *redis.SliceCmd // the choice and the target's marker, nil where there is none
	sealed  *redis.StringCmd
	profile *redis.StringCmd
	fares   *redis.StringCmd
}

func askAbout(ctx context.Context, p redis.Pipeliner, d schema.Delivery) resolveReply {
	cell, ref := Cell{d.Event.Type, d.Channel}, TargetRef{d.Channel, d.Target}
	return resolveReply{
		member:  p.SIsMember(ctx, accountsKey(d.User), d.Event.Account),
		fields:  p.HMGet(ctx, prefsKey(d.User), choiceField(cell), markerField(ref)),
		sealed:  p.HGet(ctx, targetsKey(d.User), ref.String()),
		profile: p.Get(ctx, profileKey(d.User)),
		fares:   p.HGet(ctx, healthKey(d.User), ref.String()),
	}
}

func (r resolveReply) err() error {
	for _, reply := range [...]redis.Cmder{r.member, r.fields, r.sealed, r.profile, r.fares} {
		if err := reply.Err(); err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

// verdict is the target's marker, and the rule by which the delivery is not
// made. A choice that makes no sense counts as none, as in Recipients.
func (r resolveReply) verdict(cell Cell) (m marker, suppressed schema.Rule, err error) {
	choice, _ := r.fields.Val()[0].(string)
	text, marked := r.fields.Val()[1].(string)
	if marked {
		if m, err = parseMarker(text); err != nil {
			return marker{}, "", err
		}
	}
	on, chosen := parseChoice(choice)
	switch {
	case errors.Is(r.profile.Err(), redis.Nil):
		return m, schema.RuleNoUser, nil
	case !r.member.Val():
		return m, schema.RuleNotMember, nil
	case !marked || errors.Is(r.sealed.Err(), redis.Nil):
		return m, schema.RuleNotSetUp, nil
	case m.off:
		return m, schema.RuleTargetOff, nil
	case chosen && !on:
		return m, schema.RuleChosenOff, nil
	case !chosen && !defaultFor(cell.Type):
		return m, schema.RuleDefaultOff, nil
	}
	return m, "", nil
}

// inWords adds to a rule what the target's marker knows.
func inWords(rule schema.Rule, m marker) string {
	if rule == schema.RuleTargetOff && m.reason != "" {
		return rule.String() + ": " + m.reason
	}
	return rule.String()
}
