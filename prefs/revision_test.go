package prefs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
)

var (
	jobMail  = prefs.Cell{Type: "job.fail", Channel: "email"}
	jobHook  = prefs.Cell{Type: "job.fail", Channel: "webhook"}
	prefsKey = "tocsin:user:{ada}:prefs"
)

func (f fixture) choose(t testing.TB, cell prefs.Cell, on *bool) {
	require.NoError(t, f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{cell: on}))
}

func (f fixture) choice(t testing.TB, cell prefs.Cell) prefs.Choice {
	table, _, err := f.Choices(t.Context(), "ada", []string{cell.Channel})
	require.NoError(t, err)
	for _, choice := range table {
		if choice.Cell == cell {
			return choice
		}
	}
	t.Fatalf("%v is not in the table", cell)
	return prefs.Choice{}
}

func testAChoiceKeepsItsTime(t *testing.T, f fixture) {
	f.person(t, "ada")
	before := time.Now().Truncate(time.Second)
	f.choose(t, jobMail, new(false))
	require.WithinRange(t, f.choice(t, jobMail).ChosenAt, before, time.Now())

	field := jobMail.Type + "/" + jobMail.Channel
	require.NoError(t, f.redis.HSet(t.Context(), prefsKey, field, "0 t0").Err())
	long := f.choice(t, jobMail).ChosenAt
	require.Less(t, long.Year(), 1971)
	f.choose(t, jobMail, new(false))
	require.Equal(t, long, f.choice(t, jobMail).ChosenAt, "it was chosen then, not when it was saved again")
	f.choose(t, jobMail, new(true))
	require.WithinRange(t, f.choice(t, jobMail).ChosenAt, before, time.Now())
}

func testChoicesWithoutATimeAreRead(t *testing.T, f fixture) {
	f.person(t, "ada", "acme")
	require.NoError(t, f.redis.HSet(t.Context(), prefsKey, "job.fail/email", "0").Err())
	got := f.choice(t, jobMail)
	require.True(t, got.Chosen)
	require.False(t, got.Wanted)
	require.True(t, got.ChosenAt.IsZero())
	require.Equal(t, map[prefs.Cell]bool{jobMail: false}, f.recipients(t, "acme")[0].Choices)
	f.choose(t, jobMail, new(false))
	require.False(t, f.choice(t, jobMail).ChosenAt.IsZero())
}

func testResetForgetsEveryChoice(t *testing.T, f fixture) {
	f.person(t, "ada")
	f.choose(t, jobMail, new(false))
	f.choose(t, jobHook, new(true))
	require.NoError(t, f.redis.HSet(t.Context(), prefsKey, "moon.full/fax", "1").Err(), "of a type and a channel that are no more")
	require.NoError(t, f.ResetChoices(t.Context(), "ada", ""))
	left, err := f.redis.HKeys(t.Context(), prefsKey).Result()
	require.NoError(t, err)
	require.Equal(t, []string{"target/email/main"}, left, "what is set up stays")
}

func testChoicesChangeAsTheyWereSeen(t *testing.T, f fixture) {
	f.person(t, "ada")
	f.choose(t, jobMail, new(false))
	_, seen, err := f.Choices(t.Context(), "ada", nil)
	require.NoError(t, err)
	on := map[prefs.Cell]*bool{jobMail: new(true)}

	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)), "a channel is not a choice")
	require.NoError(t, f.ReplaceChoices(t.Context(), "ada", on, seen))
	require.True(t, f.choice(t, jobMail).Wanted)

	require.ErrorIs(t, f.ReplaceChoices(t.Context(), "ada", map[prefs.Cell]*bool{jobMail: nil}, seen), prefs.ErrChanged)
	require.ErrorIs(t, f.ResetChoices(t.Context(), "ada", seen), prefs.ErrChanged)
	require.True(t, f.choice(t, jobMail).Chosen, "nothing has changed")

	_, seen, err = f.Choices(t.Context(), "ada", nil)
	require.NoError(t, err)
	require.NoError(t, f.ResetChoices(t.Context(), "ada", seen))
	require.False(t, f.choice(t, jobMail).Chosen)
	require.NoError(t, f.DeleteUser(t.Context(), "ada"))
	require.Error(t, f.ReplaceChoices(t.Context(), "ada", on, seen))
}

func testAProfileChangesAsItWasSeen(t *testing.T, f fixture) {
	first := prefs.Profile{Name: "Ada"}
	require.ErrorIs(t, f.ReplaceUser(t.Context(), "ada", first, "anything"), prefs.ErrNoUser)
	require.NoError(t, f.ReplaceUser(t.Context(), "ada", first, ""))
	second := prefs.Profile{Name: "Ada Lovelace"}
	require.NoError(t, f.ReplaceUser(t.Context(), "ada", second, first.Revision()))
	require.ErrorIs(t, f.ReplaceUser(t.Context(), "ada", first, first.Revision()), prefs.ErrChanged)
	got, err := f.User(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, second, got)
}

func testOneOfManyWritersChangesWhatAllSaw(t *testing.T, f fixture) {
	f.person(t, "ada")
	_, seen, err := f.Choices(t.Context(), "ada", nil)
	require.NoError(t, err)
	var writers sync.WaitGroup
	var won, lost atomic.Int32
	for i := range 8 {
		writers.Go(func() {
			cell := prefs.Cell{Type: "job.fail", Channel: fmt.Sprint("channel", i)}
			err := f.ReplaceChoices(t.Context(), "ada", map[prefs.Cell]*bool{cell: new(true)}, seen)
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, prefs.ErrChanged):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	writers.Wait()
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 7, lost.Load())
}

func testATargetIsSetUpOnce(t *testing.T, f fixture) {
	f.person(t, "ada")
	var writers sync.WaitGroup
	var made atomic.Int32
	for range 4 {
		writers.Go(func() {
			first := false
			err := f.ChangeTarget(t.Context(), "ada", hook, func(before prefs.Target) (json.RawMessage, error) {
				if first = before.Revision == prefs.NoRevision; first {
					return json.RawMessage(hookSettings), nil
				}
				return before.Settings, nil
			})
			if err != nil {
				t.Error(err)
			}
			if first {
				made.Add(1)
			}
		})
	}
	writers.Wait()
	require.EqualValues(t, 1, made.Load(), "one of them has set it up, and knows")
}
