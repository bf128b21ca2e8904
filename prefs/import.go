package prefs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Directory is users and accounts to be loaded at once, from a JSON document:
//
//	{"users": {"ada": {
//	   "email": "ada@example.com", "name": "Ada", "time_zone": "Europe/London", "locale": "en-GB",
//	   "channels": {"webhook": {"url": "https://example.com/hook"}},
//	   "devices": [{"token": "..."}],
//	   "preferences": {"stack.redeploy.ok": {"email": false}}}},
//	 "accounts": {"acme": ["ada"]}}
//
// Each entry of channels and devices is the settings of one target.
type Directory struct {
	Users    map[string]DirectoryUser `json:"users"`
	Accounts map[string][]string      `json:"accounts"` // members by account
}

// DirectoryUser is one user of a Directory.
type DirectoryUser struct {
	Profile
	Channels    map[string]json.RawMessage  `json:"channels"`
	Devices     []json.RawMessage           `json:"devices"`
	Preferences map[string]map[string]*bool `json:"preferences"` // by type and channel; null follows the default
}

// CheckSettings says what is wrong with a target's settings, as the channel's
// Spec does; a channel that is not known is wrong too.
type CheckSettings func(channel string, settings json.RawMessage) error

// ReadDirectory reads a Directory and checks all of it, so that a document
// with a mistake changes nothing. It refuses fields that it does not know.
func ReadDirectory(r io.Reader, check CheckSettings) (Directory, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var d Directory
	if err := decoder.Decode(&d); err != nil {
		return Directory{}, fmt.Errorf("read the directory of users: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Directory{}, errors.New("read the directory of users: there is more after the end of the document")
	}
	if err := d.check(check); err != nil {
		return Directory{}, fmt.Errorf("read the directory of users: %w", err)
	}
	return d, nil
}

// Save writes the directory into a store. What it does not name is kept: other
// users, and a user's other targets and choices. After an error, saving again
// completes it.
func (d Directory) Save(ctx context.Context, store *Store) error {
	for _, user := range slices.Sorted(maps.Keys(d.Users)) {
		if err := d.Users[user].save(ctx, store, user); err != nil {
			return err
		}
	}
	for _, account := range slices.Sorted(maps.Keys(d.Accounts)) {
		for _, user := range d.Accounts[account] {
			if err := store.AddMember(ctx, account, user); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d Directory) check(check CheckSettings) error {
	var faults []error
	for _, user := range slices.Sorted(maps.Keys(d.Users)) {
		if err := errors.Join(checkID("user", user), d.Users[user].check(check)); err != nil {
			faults = append(faults, fmt.Errorf("user %.80q: %w", user, err))
		}
	}
	for _, account := range slices.Sorted(maps.Keys(d.Accounts)) {
		faults = append(faults, checkID("account", account))
		for _, user := range d.Accounts[account] {
			if err := checkID("user", user); err != nil {
				faults = append(faults, fmt.Errorf("account %.80q: %w", account, err))
			}
		}
	}
	return errors.Join(faults...)
}

func (u DirectoryUser) check(check CheckSettings) error {
	targets, err := u.targets()
	faults := []error{u.Check(), err, checkCells(u.cells())}
	for ref, settings := range targets {
		if err := errors.Join(ref.check(), check(ref.Channel, settings)); err != nil {
			faults = append(faults, fmt.Errorf("channel %.80q: %w", ref.Channel, err))
		}
	}
	if len(targets) > MaxTargets {
		faults = append(faults, fmt.Errorf("%d channels and devices: %w", len(targets), ErrTooManyTargets))
	}
	return errors.Join(faults...)
}

func (u DirectoryUser) save(ctx context.Context, store *Store, user string) error {
	if err := store.PutUser(ctx, user, u.Profile); err != nil {
		return err
	}
	targets, err := u.targets()
	if err != nil {
		return err
	}
	for ref, settings := range targets {
		if err := store.PutTarget(ctx, user, ref, settings); err != nil {
			return err
		}
	}
	return store.SetChoices(ctx, user, u.cells())
}

func (u DirectoryUser) cells() map[Cell]*bool {
	cells := make(map[Cell]*bool)
	for typeName, channels := range u.Preferences {
		for channel, on := range channels {
			cells[Cell{typeName, channel}] = on
		}
	}
	return cells
}

func (u DirectoryUser) targets() (map[TargetRef]json.RawMessage, error) {
	targets := make(map[TargetRef]json.RawMessage)
	for channel, settings := range u.Channels {
		targets[TargetRef{channel, mainTarget}] = settings
	}
	for i, settings := range u.Devices {
		var device struct{ Token string }
		if err := json.Unmarshal(settings, &device); err != nil || device.Token == "" {
			return nil, fmt.Errorf("device %d has no token", i+1)
		}
		targets[TargetRef{iosChannel, DeviceID(device.Token)}] = settings
	}
	return targets, nil
}
