// Package targets is what a user does with the channels that reach them: look
// at them, set them up, change, renew, try and remove them. The settings page
// and the HTTP API both do it through this package, so that what one of them
// checks, masks or limits, the other does too.
//
// No credential leaves the package once it is saved. What a channel makes by
// itself, such as the secret that signs webhooks, is given once, to who saved
// or renewed it.
package targets

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"tocsin/channels"
	"tocsin/prefs"
	"tocsin/schema"
)

const (
	emailChannel = "email"
	addressField = "address"
)

// Offered is a channel that the installation offers.
type Offered struct {
	Spec channels.Spec
	// Channel delivers by it; nil if this process is not configured to.
	Channel channels.Channel
}

// Links makes the links that confirm an address (package links).
type Links interface {
	Confirm(user, address string, expires time.Time) string
}

// Channels is the channels of all users.
type Channels struct {
	Store   *prefs.Store
	Offered []Offered
	// Links is nil where no link can be made: addresses other than the
	// platform's are then refused.
	Links Links
	// Records reads what became of a user's deliveries, oldest first. Nil:
	// health says no more than that something is set up, or switched off.
	Records func(ctx context.Context, user string) iter.Seq2[schema.Record, error]
}

var (
	// ErrNoChannel says that the installation does not offer a channel.
	ErrNoChannel = errors.New("this installation does not offer the channel")
	// ErrNoField says that a channel has no such field, or that it cannot be renewed.
	ErrNoField = errors.New("nothing of that name can be renewed")
	// ErrNotHere says that the installation lacks the configuration for what was asked.
	ErrNotHere = errors.New("this installation is not configured for it")
	// ErrMail says that a mail could not be sent at the moment.
	ErrMail = errors.New("the mail could not be sent")
)

// Invalid is settings that cannot be: which field is wrong, and why, in words
// for the person who filled it in.
type Invalid struct {
	Field  string // empty: the settings as a whole
	Reason string
}

func (i *Invalid) Error() string {
	if i.Field == "" {
		return i.Reason
	}
	return i.Field + ": " + i.Reason
}

// TooOften says that something is bounded, and when it can be done again.
type TooOften struct {
	What string
	Wait time.Duration
}

func (t *TooOften) Error() string {
	return fmt.Sprintf("%s: try again in %s", t.What, t.Wait.Round(time.Second))
}

// Find is the offered channel of a name, or ErrNoChannel.
func (c *Channels) Find(channel string) (Offered, error) {
	for _, offered := range c.Offered {
		if offered.Spec.Name == channel {
			return offered, nil
		}
	}
	return Offered{}, fmt.Errorf("%w: %.64q", ErrNoChannel, channel)
}

// Names lists the offered channels.
func (c *Channels) Names() []string {
	names := make([]string, len(c.Offered))
	for i, offered := range c.Offered {
		names[i] = offered.Spec.Name
	}
	return names
}

// Allow counts what a user may do only so often, most times in per, and gives
// TooOften for what is beyond.
func (c *Channels) Allow(ctx context.Context, what, quota string, most int, per time.Duration) error {
	wait, err := c.Store.Take(ctx, quota, most, per)
	if err != nil || wait == 0 {
		return err
	}
	return &TooOften{What: what, Wait: wait}
}
