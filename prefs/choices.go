package prefs

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/redis/go-redis/v9"

	"tocsin/schema"
)

// Choice is one resolved cell of a user's preferences table.
type Choice struct {
	Cell
	Default bool // what the type does by itself
	Chosen  bool // whether the user has said otherwise, or the same explicitly
	Wanted  bool // the user's choice, or else the default: what a checkbox shows
	SetUp   bool // a target of the channel is set up and on; only then is anything sent
}

// SetChoices changes some of a user's choices at once, all or none: true and
// false are the user's own, nil goes back to following the default. Changes of
// other cells at the same time are kept.
func (s *Store) SetChoices(ctx context.Context, user string, choices map[Cell]*bool) error {
	if err := errors.Join(checkID("user", user), checkCells(choices)); err != nil {
		return err
	}
	var fields []any
	for cell, on := range choices {
		value := ""
		if on != nil {
			value = choiceValue(*on)
		}
		fields = append(fields, choiceField(cell), value)
	}
	return s.run(ctx, saveChoices, []string{profileKey(user), prefsKey(user)}, "save the choices of user "+user, fields...)
}

func checkCells(choices map[Cell]*bool) error {
	var faults []error
	for cell := range maps.Keys(choices) {
		if _, known := schema.TypeNamed(cell.Type); !known {
			faults = append(faults, fmt.Errorf("%.80q is not an event type", cell.Type))
		}
		faults = append(faults, checkID("channel", cell.Channel))
	}
	return errors.Join(faults...)
}

// Choices resolves the table of a user, or answers ErrNoUser: every event type
// in the order of schema.Types, and within it the channels in the given order.
func (s *Store) Choices(ctx context.Context, user string, channels []string) ([]Choice, error) {
	r, err := s.readUserRecord(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("read the choices of user %s: %w", user, err)
	}
	setUp := make(map[string]bool)
	for _, ref := range r.targetsOn() {
		setUp[ref.Channel] = true
	}
	var table []Choice
	for _, t := range schema.Types() {
		for _, channel := range channels {
			cell := Cell{t.Name, channel}
			_, chosen := r.choices[cell]
			table = append(table, Choice{
				Cell: cell, Default: t.Default, Chosen: chosen, Wanted: wanted(r.choices, cell), SetUp: setUp[channel],
			})
		}
	}
	return table, nil
}

func (s *Store) readUserRecord(ctx context.Context, user string) (record, error) {
	var exists *redis.IntCmd
	var fields *redis.MapStringStringCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		exists = p.Exists(ctx, profileKey(user))
		fields = p.HGetAll(ctx, prefsKey(user))
		return nil
	})
	if err != nil {
		return record{}, err
	}
	if exists.Val() == 0 {
		return record{}, ErrNoUser
	}
	return readRecord(fields.Val()), nil
}
