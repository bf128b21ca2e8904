package prefs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

	// ChosenAt is when the user chose, to the second; zero if they did not, or if
	// that was not kept.
	ChosenAt time.Time
}

// SetChoices changes some of a user's choices at once, all or none: true and
// false are the user's own, nil goes back to following the default. Changes of
// other cells at the same time are kept. A choice that stands is not made anew:
// it keeps its time.
func (s *Store) SetChoices(ctx context.Context, user string, choices map[Cell]*bool) error {
	return s.ReplaceChoices(ctx, user, choices, "")
}

// ReplaceChoices is SetChoices if the user's choices are still as they were at
// a revision, and ErrChanged otherwise.
func (s *Store) ReplaceChoices(ctx context.Context, user string, choices map[Cell]*bool, seen Revision) error {
	if err := errors.Join(checkID("user", user), checkCells(choices)); err != nil {
		return err
	}
	var fields []any
	for cell, on := range choices {
		value := ""
		if on != nil {
			value = choiceValue(*on, time.Now())
		}
		fields = append(fields, choiceField(cell), value)
	}
	return s.runIf(ctx, condition{user, seen, s.choicesRevision}, saveChoices, "save the choices of user "+user, fields...)
}

// ResetChoices forgets all of a user's choices, so that everything follows the
// defaults, if they are still as they were at a revision; ErrChanged otherwise.
func (s *Store) ResetChoices(ctx context.Context, user string, seen Revision) error {
	if err := checkID("user", user); err != nil {
		return err
	}
	return s.runIf(ctx, condition{user, seen, s.choicesRevision}, resetChoices, "reset the choices of user "+user)
}

func (s *Store) choicesRevision(ctx context.Context, tx *redis.Tx, user string) (Revision, error) {
	fields, err := tx.HGetAll(ctx, prefsKey(user)).Result()
	return revisionOfChoices(fields), err
}

// revisionOfChoices is a function of the choices alone: targets are set up and
// switched off beside them.
func revisionOfChoices(fields map[string]string) Revision {
	h := sha256.New()
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if _, isChoice := parseChoice(fields[field]); isChoice && !strings.HasPrefix(field, targetPrefix) {
			fmt.Fprintln(h, field, fields[field])
		}
	}
	return revisionOf(h)
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
// The revision is that of all choices.
func (s *Store) Choices(ctx context.Context, user string, channels []string) ([]Choice, Revision, error) {
	fields, err := s.readUserRecord(ctx, user)
	if err != nil {
		return nil, "", fmt.Errorf("read the choices of user %s: %w", user, err)
	}
	r := readRecord(fields)
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
				ChosenAt: chosenAt(fields[choiceField(cell)]),
			})
		}
	}
	return table, revisionOfChoices(fields), nil
}

func (s *Store) readUserRecord(ctx context.Context, user string) (map[string]string, error) {
	var exists *redis.IntCmd
	var fields *redis.MapStringStringCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		exists = p.Exists(ctx, profileKey(user))
		fields = p.HGetAll(ctx, prefsKey(user))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if exists.Val() == 0 {
		return nil, ErrNoUser
	}
	return fields.Val(), nil
}
