package targets

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tocsin/channels"
	"tocsin/prefs"
)

// View is a channel as its user sees it.
type View struct {
	Channel string   `json:"channel" doc:"The channel's name."`
	Label   string   `json:"label" doc:"The channel's name, for people."`
	Targets []Target `json:"targets" nullable:"false" doc:"What the user has set up: one target, or several devices."`
	Pending *Pending `json:"pending,omitempty" doc:"An address that waits to be confirmed."`

	Spec channels.Spec `json:"-"`
	Test bool          `json:"-"` // whether this process can try it
}

// SetUp reports whether the user has set the channel up.
func (v View) SetUp() bool { return len(v.Targets) > 0 }

// Target is one way to reach a user, as its owner sees it.
type Target struct {
	ID     string            `json:"id" doc:"main, or the id of a device."`
	Fields map[string]string `json:"fields" doc:"Its settings, but for credentials."`
	// Secrets has an entry for each credential that is saved. It tells no more of
	// it than what helps to recognise it.
	Secrets map[string]string `json:"secrets" doc:"For each credential that is saved, what helps to recognise it; never the credential."`
	Since   time.Time         `json:"since" doc:"When these settings were saved, or when the target was switched off."`
	Health  Health            `json:"health"`

	Revision prefs.Revision `json:"revision" doc:"Names this state of the settings; the entity tag."`
}

// Pending is an address that waits for its owner to confirm it.
type Pending struct {
	Address string    `json:"address"`
	Until   time.Time `json:"until" doc:"Until when the link in the mail is good."`
}

// List is all offered channels of a user, in the order in which they are
// offered, or prefs.ErrNoUser. The ledger being away is no error.
func (c *Channels) List(ctx context.Context, user string) ([]View, error) {
	found, err := c.Store.Targets(ctx, user)
	if err != nil {
		return nil, err
	}
	watched := c.watch(ctx, user, found)
	views := make([]View, 0, len(c.Offered))
	for _, offered := range c.Offered {
		view := View{
			Channel: offered.Spec.Name, Label: offered.Spec.Label, Targets: []Target{},
			Spec: offered.Spec, Test: offered.Channel != nil,
		}
		for _, t := range found {
			if t.Channel == view.Channel {
				view.Targets = append(view.Targets, show(offered.Spec, t, watched))
			}
		}
		if view.Channel == emailChannel {
			if view.Pending, err = c.pending(ctx, user); err != nil {
				return nil, err
			}
		}
		views = append(views, view)
	}
	return views, nil
}

// Get is one channel of a user.
func (c *Channels) Get(ctx context.Context, user, channel string) (View, error) {
	if _, err := c.Find(channel); err != nil {
		return View{}, err
	}
	views, err := c.List(ctx, user)
	for _, view := range views {
		if view.Channel == channel {
			return view, nil
		}
	}
	return View{}, cmp.Or(err, ErrNoChannel)
}

func show(spec channels.Spec, t prefs.Target, watched watch) Target {
	shown := Target{
		ID: t.ID, Fields: map[string]string{}, Secrets: map[string]string{},
		Since: t.Since, Health: watched.health(t), Revision: t.Revision,
	}
	settings := decode(t.Settings)
	for _, field := range spec.Fields {
		value, saved := settings[field.Name]
		switch {
		case !saved || len(value) == 0:
		case field.Secret:
			shown.Secrets[field.Name] = hint(field, text(value))
		default:
			shown.Fields[field.Name] = text(value)
		}
	}
	return shown
}

func (c *Channels) pending(ctx context.Context, user string) (*Pending, error) {
	pending, err := c.Store.Pending(ctx, user, main(emailChannel))
	switch {
	case errors.Is(err, prefs.ErrNoPending), errors.Is(err, prefs.ErrSealed):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &Pending{Address: text(decode(pending.Settings)[addressField]), Until: pending.Until.UTC().Truncate(time.Second)}, nil
}

func main(channel string) prefs.TargetRef {
	return prefs.TargetRef{Channel: channel, ID: channels.MainTarget}
}

// settings are a target's, by name; empty where they cannot be read.
type settings map[string]json.RawMessage

func decode(raw json.RawMessage) settings {
	s := settings{}
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return settings{}
	}
	return s
}

func (s settings) encode() (json.RawMessage, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return raw, nil
}

// text is a value as a form shows it: settings that a program saved may hold
// something else than a text.
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}
