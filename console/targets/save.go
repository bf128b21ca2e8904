package targets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/prefs"
)

// longestSettings bounds what one target may cost in Redis: a client certificate
// with its chain fits.
const longestSettings = 32 << 10

// Saved is what came of saving a target.
type Saved struct {
	ID string // of the target
	// Shown is what was made for the owner of the far end, by field. It is told
	// now and never again.
	Shown map[string]string
	// Pending is an address that has to be confirmed before it is used; what was
	// set up before goes on until then.
	Pending *Pending
}

// Save sets a channel up, or changes it, and switches it on. fields holds a value
// for each field of the channel's Spec: a text, or what else the channel takes.
// A field that is left out is removed, but for credentials, which nobody can
// read back: they are kept. An empty text removes these too. Saving the same
// again changes nothing but the time.
//
// seen is the revision that the caller knows; if it is not the target's any
// more, the error is prefs.ErrChanged. Settings that cannot be are *Invalid.
func (c *Channels) Save(ctx context.Context, user, channel string, fields map[string]any, seen prefs.Revision) (Saved, error) {
	offered, err := c.Find(channel)
	if err != nil {
		return Saved{}, err
	}
	given, err := readFields(offered.Spec, fields)
	if err != nil {
		return Saved{}, err
	}
	ref := main(channel)
	switch {
	case offered.Spec.Many:
		if ref.ID, err = deviceID(given); err != nil {
			return Saved{}, err
		}
	case channel == emailChannel:
		return c.saveEmail(ctx, user, offered.Spec, given, seen)
	}
	saved := Saved{ID: ref.ID}
	err = c.Store.ChangeTarget(ctx, user, ref, func(before prefs.Target) (_ json.RawMessage, err error) {
		if seen != "" && before.Revision != seen {
			return nil, fmt.Errorf("save channel %s of user %s: %w", channel, user, prefs.ErrChanged)
		}
		settings := merge(offered.Spec, decode(before.Settings), given)
		if err := staysAtHome(offered.Spec, before.Settings, settings, given); err != nil {
			return nil, err
		}
		if saved.Shown, err = complete(offered.Spec, settings); err != nil {
			return nil, err
		}
		return checked(offered.Spec, settings)
	})
	return saved, err
}

// Renew makes a new value of a field, such as the secret that signs webhooks,
// and gives what the owner of the far end has to know of it. Where the channel
// says so, the previous one goes on working for a while. seen is as for Save: who
// asks twice would otherwise end what the far end still verifies with.
func (c *Channels) Renew(ctx context.Context, user, channel, field string, seen prefs.Revision) (shown string, err error) {
	offered, err := c.Find(channel)
	if err != nil {
		return "", err
	}
	nth := slices.IndexFunc(offered.Spec.Fields, func(f channels.Field) bool { return f.Name == field && f.Renew != nil })
	if nth < 0 {
		return "", fmt.Errorf("%w: %.64q of channel %s", ErrNoField, field, channel)
	}
	err = c.Store.ChangeTarget(ctx, user, main(channel), func(before prefs.Target) (renewed json.RawMessage, err error) {
		switch {
		case before.Revision == prefs.NoRevision:
			err = prefs.ErrNoTarget
		case seen != "" && before.Revision != seen:
			err = prefs.ErrChanged
		default:
			err = before.Err
		}
		if err != nil {
			return nil, fmt.Errorf("renew %s of channel %s of user %s: %w", field, channel, user, err)
		}
		renewed, shown, err = offered.Spec.Fields[nth].Renew(before.Settings, time.Now())
		return renewed, err
	})
	return shown, err
}

// Delete forgets a target. One that is not set up is prefs.ErrNoTarget.
func (c *Channels) Delete(ctx context.Context, user, channel, id string) error {
	if _, err := c.Find(channel); err != nil {
		return err
	}
	return c.Store.DeleteTarget(ctx, user, prefs.TargetRef{Channel: channel, ID: id})
}

func readFields(spec channels.Spec, fields map[string]any) (settings, error) {
	given := settings{}
	for name, value := range fields {
		if !slices.ContainsFunc(spec.Fields, func(f channels.Field) bool { return f.Name == name }) {
			return nil, &Invalid{Field: name, Reason: "there is no such setting"}
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, &Invalid{Field: name, Reason: "it is not a text"}
		}
		given[name] = raw
	}
	return given, nil
}

// merge is what is saved from now on. What no field names belongs to the channel
// and is kept.
func merge(spec channels.Spec, before, given settings) settings {
	merged := settings{}
	for name, value := range before {
		merged[name] = value
	}
	for _, field := range spec.Fields {
		value, isGiven := given[field.Name]
		switch {
		case isGiven && !empty(value):
			merged[field.Name] = value
		case isGiven || !field.Secret:
			delete(merged, field.Name)
		}
	}
	return merged
}

// staysAtHome refuses to take a credential, that is kept because nobody gave it
// again, along to another host: whoever is at the settings page could otherwise
// read it there.
func staysAtHome(spec channels.Spec, before json.RawMessage, after, given settings) error {
	if spec.Host == nil || before == nil {
		return nil
	}
	raw, err := after.encode()
	if err != nil || spec.Host(before) == spec.Host(raw) {
		return err
	}
	for _, field := range spec.Fields {
		_, again := given[field.Name]
		if field.Secret && field.Renew == nil && !again && after[field.Name] != nil {
			return &Invalid{Field: field.Name, Reason: "it was meant for another host than the one that the URL leads to now: give it again, or remove it"}
		}
	}
	return nil
}

func empty(value json.RawMessage) bool {
	return strings.TrimSpace(text(value)) == "" || slices.Contains([]string{`null`, `{}`}, string(value))
}

// complete makes what a target needs and people do not enter.
func complete(spec channels.Spec, s settings) (shown map[string]string, err error) {
	for _, field := range spec.Fields {
		if !field.Required || s[field.Name] != nil {
			continue
		}
		if field.Renew == nil {
			return nil, &Invalid{Field: field.Name, Reason: "it is needed"}
		}
		raw, err := s.encode()
		if err != nil {
			return nil, err
		}
		renewed, tell, err := field.Renew(raw, time.Now())
		if err != nil {
			return nil, &Invalid{Field: field.Name, Reason: err.Error()}
		}
		s[field.Name] = decode(renewed)[field.Name]
		if shown == nil {
			shown = map[string]string{}
		}
		shown[field.Name] = tell
	}
	return shown, nil
}

func checked(spec channels.Spec, s settings) (json.RawMessage, error) {
	raw, err := s.encode()
	if err != nil {
		return nil, err
	}
	if len(raw) > longestSettings {
		return nil, &Invalid{Reason: fmt.Sprintf("the settings have %d bytes and may have %d", len(raw), longestSettings)}
	}
	if err := spec.Check(raw); err != nil {
		return nil, &Invalid{Field: blame(spec, s, err), Reason: err.Error()}
	}
	return raw, nil
}

// blame finds the field that a channel's Check speaks of: the one without which
// it says something else, or nothing. The last one first: a check that stops at
// the first fault says something else also without what it looks at before.
func blame(spec channels.Spec, s settings, said error) string {
	for _, field := range slices.Backward(spec.Fields) {
		if s[field.Name] == nil {
			continue
		}
		without := settings{}
		for name, value := range s {
			if name != field.Name {
				without[name] = value
			}
		}
		raw, err := without.encode()
		if err != nil {
			return ""
		}
		if now := spec.Check(raw); now == nil || now.Error() != said.Error() {
			return field.Name
		}
	}
	return ""
}

// deviceID names a device by its token.
func deviceID(given settings) (string, error) {
	var token string
	if err := json.Unmarshal(given["token"], &token); err != nil || token == "" {
		return "", &Invalid{Field: "token", Reason: "it is needed"}
	}
	return prefs.DeviceID(token), nil
}

var errNoLinks = errors.New("no TOCSIN_PUBLIC_URL and TOCSIN_LINK_KEY, or no mail server, for the mail that confirms it")
