package targets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/prefs"
	"tocsin/schema"
)

const (
	// confirmWithin is how long an address waits for its owner.
	confirmWithin = 24 * time.Hour
	// mostConfirmations is how many such mails one user may cause, and one
	// address may get, in a day: nobody is to be flooded through us.
	mostConfirmations = 5
	// mailTimeout is how long a person waits for the mail server.
	mailTimeout = 20 * time.Second
)

// saveEmail uses the address that the platform gives at once, and any other one
// after its owner has followed the link in a mail to it.
func (c *Channels) saveEmail(ctx context.Context, user string, spec channels.Spec, given settings, seen prefs.Revision) (Saved, error) {
	address := strings.TrimSpace(text(given[addressField]))
	given = settings{}
	if address != "" {
		given[addressField], _ = json.Marshal(address) // a text
	}
	raw, err := checked(spec, given)
	if err != nil {
		return Saved{}, err
	}
	profile, err := c.Store.User(ctx, user)
	if err != nil {
		return Saved{}, err
	}
	before, err := c.address(ctx, user)
	switch {
	case err != nil:
		return Saved{}, err
	case seen != "" && before.Revision != seen:
		return Saved{}, fmt.Errorf("save the address of user %s: %w", user, prefs.ErrChanged)
	case address == "" && profile.Email == "":
		return Saved{}, &Invalid{Field: addressField, Reason: "it is needed: the platform has given no address of this user"}
	case address == "", address == profile.Email:
		return c.useEmail(ctx, user, json.RawMessage(`{}`), before.Revision)
	case before.Revision != prefs.NoRevision && address == text(decode(before.Settings)[addressField]):
		return c.useEmail(ctx, user, raw, before.Revision) // was confirmed
	}
	return c.askOwner(ctx, user, address, raw)
}

// useEmail saves what needs no proof, and forgets what waits for one.
func (c *Channels) useEmail(ctx context.Context, user string, raw json.RawMessage, seen prefs.Revision) (Saved, error) {
	err := c.Store.ChangeTarget(ctx, user, main(emailChannel), func(now prefs.Target) (json.RawMessage, error) {
		if now.Revision != seen {
			return nil, fmt.Errorf("save the address of user %s: %w", user, prefs.ErrChanged)
		}
		return raw, nil
	})
	if err == nil {
		err = c.Store.DropPending(ctx, user, main(emailChannel))
	}
	return Saved{ID: channels.MainTarget}, err
}

// address is the email target as it is set up, of prefs.NoRevision if it is not.
func (c *Channels) address(ctx context.Context, user string) (prefs.Target, error) {
	all, err := c.Store.Targets(ctx, user)
	if err != nil {
		return prefs.Target{}, err
	}
	for _, t := range all {
		if t.TargetRef == main(emailChannel) {
			return t, nil
		}
	}
	return prefs.Target{Revision: prefs.NoRevision}, nil
}

func (c *Channels) askOwner(ctx context.Context, user, address string, raw json.RawMessage) (Saved, error) {
	email, err := c.Find(emailChannel)
	if err != nil {
		return Saved{}, err
	}
	if c.Links == nil || email.Channel == nil {
		return Saved{}, fmt.Errorf("confirm another address than the platform's: %w: %w", ErrNotHere, errNoLinks)
	}
	for _, quota := range []string{"confirm/user/" + user, "confirm/address/" + digest(address)} {
		if err := c.Allow(ctx, "too many mails to confirm an address", quota, mostConfirmations, confirmWithin); err != nil {
			return Saved{}, err
		}
	}
	until := time.Now().Add(confirmWithin).UTC().Truncate(time.Second)
	if err := c.Store.PutPending(ctx, user, main(emailChannel), raw, confirmWithin); err != nil {
		return Saved{}, err
	}
	if err := c.sendConfirmation(ctx, email, user, address, until); err != nil {
		return Saved{}, errors.Join(err, c.Store.DropPending(context.WithoutCancel(ctx), user, main(emailChannel)))
	}
	return Saved{ID: channels.MainTarget, Pending: &Pending{Address: address, Until: until}}, nil
}

// digest keeps addresses out of keys.
func digest(address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return hex.EncodeToString(sum[:16])
}

func (c *Channels) sendConfirmation(ctx context.Context, email Offered, user, address string, until time.Time) error {
	mail := schema.AskToConfirm(user, c.Links.Confirm(user, address, until), time.Now())
	to, err := json.Marshal(map[string]string{addressField: address})
	if err != nil {
		return fmt.Errorf("address the mail that confirms an address: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	err = email.Channel.Send(ctx, mail, channels.Target{ID: channels.MainTarget, Settings: to})
	if err == nil {
		return nil
	}
	if f := channels.FailureOf(err); f.Kind == channels.Permanent || f.Kind == channels.Gone {
		return &Invalid{Field: addressField, Reason: "no mail can be sent there: " + f.Error()}
	}
	return fmt.Errorf("%w: %w", ErrMail, err)
}

// ConfirmEmail uses an address from now on, because its owner has followed the
// link to it. To follow it again does no harm. The error is prefs.ErrNoPending
// if the user has meanwhile chosen another address, or too much time has passed.
func (c *Channels) ConfirmEmail(ctx context.Context, user, address string) error {
	pending, err := c.Store.Pending(ctx, user, main(emailChannel))
	switch {
	case errors.Is(err, prefs.ErrNoPending):
		return c.alreadyConfirmed(ctx, user, address, err)
	case err != nil:
		return err
	case text(decode(pending.Settings)[addressField]) != address:
		return c.alreadyConfirmed(ctx, user, address, prefs.ErrNoPending)
	}
	return c.Store.Confirm(ctx, user, main(emailChannel), pending.Revision)
}

func (c *Channels) alreadyConfirmed(ctx context.Context, user, address string, otherwise error) error {
	now, err := c.address(ctx, user)
	if err != nil {
		return err
	}
	if now.Revision != prefs.NoRevision && text(decode(now.Settings)[addressField]) == address {
		return nil
	}
	return otherwise
}
