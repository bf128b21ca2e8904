package prefs_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
)

var (
	mail = prefs.TargetRef{Channel: "email", ID: "main"}
	hook = prefs.TargetRef{Channel: "webhook", ID: "main"}
)

const hookSettings = `{"url":"https://example.com/hook","secret":"whsec_1"}`

func testUsers(t *testing.T, f fixture) {
	_, err := f.User(t.Context(), "ada")
	require.ErrorIs(t, err, prefs.ErrNoUser)

	ada := prefs.Profile{Email: "ada@example.com", Name: "Ada", TimeZone: "Europe/London", Locale: "en-GB"}
	require.NoError(t, f.PutUser(t.Context(), "ada", ada))
	got, err := f.User(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, ada, got)
}

func testTheFirstAddressSetsUpEmail(t *testing.T, f fixture) {
	targets := func() []prefs.Target {
		all, err := f.Targets(t.Context(), "ada")
		require.NoError(t, err)
		return all
	}
	put := func(p prefs.Profile) { require.NoError(t, f.PutUser(t.Context(), "ada", p)) }

	put(prefs.Profile{Name: `"email":"`})
	require.Empty(t, targets(), "without an address there is nothing to send to")

	put(prefs.Profile{Email: "ada@example.com"})
	require.Len(t, targets(), 1)
	require.Equal(t, mail, targets()[0].TargetRef)
	require.JSONEq(t, `{}`, string(targets()[0].Settings))

	require.NoError(t, f.PutTarget(t.Context(), "ada", mail, []byte(`{"address":"work@example.com"}`)))
	put(prefs.Profile{Email: "ada@example.org"})
	require.JSONEq(t, `{"address":"work@example.com"}`, string(targets()[0].Settings), "the user's own address is kept")

	require.NoError(t, f.DeleteTarget(t.Context(), "ada", mail))
	put(prefs.Profile{Email: "ada@example.org"})
	require.Empty(t, targets(), "what the user deleted stays deleted")
}

func TestProfilesAreChecked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		profile prefs.Profile
		want    string // empty: fine
	}{
		"empty":           {prefs.Profile{}, ""},
		"whole":           {prefs.Profile{Email: "ada@example.com", Name: "Ada Lovelace", TimeZone: "UTC", Locale: "de"}, ""},
		"no address":      {prefs.Profile{Email: "ada"}, "email is not an address"},
		"with a name":     {prefs.Profile{Email: "Ada <ada@example.com>"}, "email is not an address"},
		"header in email": {prefs.Profile{Email: "ada@example.com\r\nBcc: bob@example.com"}, "email is not an address"},
		"header in name":  {prefs.Profile{Name: "Ada\r\nBcc: bob@example.com"}, "name has control characters"},
		"endless name":    {prefs.Profile{Name: strings.Repeat("a", 201)}, "longer than 200 bytes"},
		"no such zone":    {prefs.Profile{TimeZone: "Europe/Atlantis"}, "time_zone is not a name"},
		"local zone":      {prefs.Profile{TimeZone: "Local"}, "time_zone is not a name"},
		"no locale":       {prefs.Profile{Locale: "../etc"}, "locale is not a BCP 47 tag"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.profile.Check()
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "bob", "the error holds what was given")
		})
	}
}

func testMembers(t *testing.T, f fixture) {
	require.Empty(t, f.members(t, "acme"))
	f.person(t, "ada", "acme", "zeta")
	f.person(t, "bob", "acme")
	f.person(t, "bob", "acme")
	require.ElementsMatch(t, []string{"ada", "bob"}, f.members(t, "acme"))

	require.NoError(t, f.RemoveMember(t.Context(), "acme", "ada"))
	require.NoError(t, f.RemoveMember(t.Context(), "acme", "ada"))
	require.Equal(t, []string{"bob"}, f.members(t, "acme"))
	require.Equal(t, []string{"ada"}, f.members(t, "zeta"))

	require.ErrorIs(t, f.AddMember(t.Context(), "acme", "nobody"), prefs.ErrNoUser)
	require.Equal(t, []string{"bob"}, f.members(t, "acme"), "an unknown user is left in the account")
}

func testDeleteUserForgetsEverything(t *testing.T, f fixture) {
	f.person(t, "ada", "acme", "zeta")
	f.person(t, "bob", "acme")
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
	require.NoError(t, f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{{Type: "job.fail", Channel: "email"}: new(false)}))

	require.NoError(t, f.PutPending(t.Context(), "ada", mail, []byte(`{"address":"work@example.com"}`), time.Hour))

	require.NoError(t, f.DeleteUser(t.Context(), "ada"))
	require.NoError(t, f.DeleteUser(t.Context(), "ada"))

	require.Equal(t, []string{"bob"}, f.members(t, "acme"))
	require.Empty(t, f.members(t, "zeta"))
	left, err := f.redis.Keys(t.Context(), "*ada*").Result()
	require.NoError(t, err)
	require.Empty(t, left)
}

func testADeletedUserIsNotBroughtBackInParts(t *testing.T, f fixture) {
	late := map[string]func() error{
		"choices": func() error {
			return f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{{Type: "job.fail", Channel: "email"}: new(true)})
		},
		"target":  func() error { return f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)) },
		"account": func() error { return f.AddMember(t.Context(), "acme", "ada") },
		"reset":   func() error { return f.ResetChoices(t.Context(), "ada", "") },
		"pending": func() error { return f.PutPending(t.Context(), "ada", mail, []byte(`{}`), time.Hour) },
		"table":   func() error { _, _, err := f.Choices(t.Context(), "ada", []string{"email"}); return err },
		"targets": func() error { _, err := f.Targets(t.Context(), "ada"); return err },
	}
	for name, write := range late {
		require.ErrorIs(t, write(), prefs.ErrNoUser, name)
	}
	left, err := f.redis.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Empty(t, left)
}

func testIDsAreChecked(t *testing.T, f fixture) {
	f.person(t, "ada")
	ok := json.RawMessage(`{}`)
	writes := map[string]func() error{
		"user of PutUser":       func() error { return f.PutUser(t.Context(), "a.b", prefs.Profile{}) },
		"user of AddMember":     func() error { return f.AddMember(t.Context(), "acme", "{x}") },
		"account of AddMember":  func() error { return f.AddMember(t.Context(), "", "ada") },
		"channel of PutTarget":  func() error { return f.PutTarget(t.Context(), "ada", prefs.TargetRef{Channel: "a/b", ID: "main"}, ok) },
		"id of PutTarget":       func() error { return f.PutTarget(t.Context(), "ada", prefs.TargetRef{Channel: "ios", ID: ""}, ok) },
		"channel of SetChoices": func() error { return f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{{Type: "job.fail"}: nil}) },
	}
	for name, write := range writes {
		require.ErrorContains(t, write(), "is not 1 to 64 letters, digits, hyphens and underscores", name)
	}
	require.ErrorContains(t, f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{{Type: "moon.full", Channel: "email"}: nil}), `"moon.full" is not an event type`)
	for _, settings := range []string{``, `null`, `[]`, `"x"`, `{`} {
		require.ErrorContains(t, f.PutTarget(t.Context(), "ada", hook, json.RawMessage(settings)), "not a JSON object", settings)
	}
}

func testChoices(t *testing.T, f fixture) {
	f.person(t, "ada")
	cell := func(typeName, channel string) prefs.Cell { return prefs.Cell{Type: typeName, Channel: channel} }
	table := func() map[prefs.Cell]prefs.Choice {
		rows, _, err := f.Choices(t.Context(), "ada", []string{"email", "webhook"})
		require.NoError(t, err)
		require.Len(t, rows, 2*len(schema.Types()))
		require.Equal(t, cell("stack.provision.ok", "email"), rows[0].Cell)
		require.Equal(t, cell("stack.deploy.started", "webhook"), rows[len(rows)-1].Cell)
		byCell := make(map[prefs.Cell]prefs.Choice)
		for _, row := range rows {
			require.Equal(t, row.Chosen, !row.ChosenAt.IsZero(), "only what was chosen has a time")
			row.ChosenAt = time.Time{}
			byCell[row.Cell] = row
		}
		return byCell
	}
	require.Equal(t, prefs.Choice{Cell: cell("job.fail", "email"), Default: true, Wanted: true, SetUp: true}, table()[cell("job.fail", "email")])
	require.Equal(t, prefs.Choice{Cell: cell("job.fail", "webhook"), Default: true, Wanted: true}, table()[cell("job.fail", "webhook")])
	require.Equal(t, prefs.Choice{Cell: cell("stack.deploy.started", "email"), SetUp: true}, table()[cell("stack.deploy.started", "email")])

	require.NoError(t, f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{
		cell("job.fail", "email"):             new(false),
		cell("stack.deploy.started", "email"): new(true),
	}))
	require.Equal(t, prefs.Choice{Cell: cell("job.fail", "email"), Default: true, Chosen: true, SetUp: true}, table()[cell("job.fail", "email")])
	require.Equal(t, prefs.Choice{Cell: cell("stack.deploy.started", "email"), Chosen: true, Wanted: true, SetUp: true}, table()[cell("stack.deploy.started", "email")])

	require.NoError(t, f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{cell("job.fail", "email"): nil}))
	require.False(t, table()[cell("job.fail", "email")].Chosen, "nil goes back to the default")
	require.True(t, table()[cell("stack.deploy.started", "email")].Chosen, "what was not named is kept")
	require.NoError(t, f.SetChoices(t.Context(), "ada", nil))
}

func testConcurrentTogglesLoseNothing(t *testing.T, f fixture) {
	f.person(t, "ada")
	channels := []string{"email", "ios", "hipchat", "webhook"}
	var toggles sync.WaitGroup
	for _, known := range schema.Types() {
		for _, channel := range channels {
			cell := prefs.Cell{Type: known.Name, Channel: channel}
			toggles.Go(func() {
				for _, on := range []bool{known.Default, !known.Default} {
					if err := f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{cell: &on}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	toggles.Wait()
	table, _, err := f.Choices(t.Context(), "ada", channels)
	require.NoError(t, err)
	for _, choice := range table {
		require.True(t, choice.Chosen && choice.Wanted != choice.Default, "%v is lost", choice.Cell)
	}
}
