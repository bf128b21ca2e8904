package prefs_test

import (
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
)

func delivery(typeName string) schema.Delivery {
	return schema.Delivery{Event: schema.Event{Type: typeName, Account: "acme"}, User: "ada", Channel: "webhook", Target: "main"}
}

func testResolve(t *testing.T, f fixture) {
	f.person(t, "ada", "acme")
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(`{}`)))
	before := time.Now()
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
	f.trips.reset()

	got, err := f.Resolve(t.Context(), delivery("job.fail"))
	require.NoError(t, err)
	require.Empty(t, got.Suppressed)
	require.JSONEq(t, hookSettings, string(got.Settings), "an attempt sees what was saved last")
	require.WithinRange(t, got.Since, before, time.Now())
	require.Equal(t, prefs.Profile{Email: "ada@example.com"}, got.Profile)

	commands, pipelines := f.trips.sent()
	require.LessOrEqual(t, len(commands)+len(pipelines), 2, "one round trip, or the first command leaves alone")
}

func testResolveSharesRoundTrips(t *testing.T, f fixture) {
	const callers = 200
	f.person(t, "ada", "acme")
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
	f.trips.reset()

	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			got, err := f.Resolve(t.Context(), delivery("job.fail"))
			assert.NoError(t, err)
			assert.Empty(t, got.Suppressed)
		})
	}
	group.Wait()
	commands, pipelines := f.trips.sent()
	if _, cluster := f.redis.(*redis.ClusterClient); cluster {
		require.Len(t, pipelines, callers, "none waits for a node that another one asks")
		return
	}
	require.Less(t, len(commands)+len(pipelines), callers, "many at a time go together")
}

func testResolveSaysWhyADeliveryIsNotMade(t *testing.T, f fixture) {
	choose := func(typeName string, on *bool) error {
		return f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{{Type: typeName, Channel: "webhook"}: on})
	}
	save := func() error { return f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)) }
	off := func(reason string) error {
		_, err := f.SwitchOff(t.Context(), "ada", hook, reason, time.Time{})
		return err
	}
	// One step follows the other, as in a user's life.
	steps := []struct {
		does     string
		do       func() error
		typeName string
		want     string
	}{
		{"not known", func() error { return nil }, "job.fail", "no such user any more"},
		{"comes", func() error { return f.PutUser(t.Context(), "ada", prefs.Profile{}) }, "job.fail", "no longer a member of the account"},
		{"joins", func() error { return f.AddMember(t.Context(), "acme", "ada") }, "job.fail", "not set up"},
		{"sets a webhook up", save, "job.fail", ""},
		{"leaves a default off", save, "stack.deploy.started", "off by default for this type"},
		{"wants it", func() error { return choose("stack.deploy.started", new(true)) }, "stack.deploy.started", ""},
		{"wants no more failed jobs", func() error { return choose("job.fail", new(false)) }, "job.fail", "switched off by the user"},
		{"wants the rest", save, "job.backon", ""},
		{"goes back to the default", func() error { return choose("job.fail", nil) }, "job.fail", ""},
		{"is switched off", func() error { return off("410 Gone") }, "job.fail", "target is switched off: 410 Gone"},
		{"mends it", save, "job.fail", ""},
		{"is switched off silently", func() error { return off("") }, "job.fail", "target is switched off"},
		{"deletes it", func() error { return f.DeleteTarget(t.Context(), "ada", hook) }, "job.fail", "not set up"},
		{"sets it up again", save, "job.fail", ""},
		{"leaves", func() error { return f.RemoveMember(t.Context(), "acme", "ada") }, "job.fail", "no longer a member of the account"},
		{"joins again", func() error { return f.AddMember(t.Context(), "acme", "ada") }, "job.fail", ""},
		{"goes", func() error { return f.DeleteUser(t.Context(), "ada") }, "job.fail", "no such user any more"},
	}
	unknown := delivery("job.fail")
	unknown.User = "nobody"
	for _, step := range steps {
		require.NoError(t, step.do(), step.does)
		got, err := f.Resolve(t.Context(), delivery(step.typeName))
		require.NoError(t, err, step.does)
		require.Equal(t, step.want, got.Why, step.does)
		require.Equal(t, step.want != "", got.Suppressed != "", step.does)
		require.Equal(t, step.want == "", got.Settings != nil, "settings exactly where something is sent: %s", step.does)
		rules, err := prefs.NewStore(f.redis, prefs.Keyring{}).Suppressed(t.Context(), []schema.Delivery{delivery(step.typeName), unknown})
		require.NoError(t, err, step.does)
		require.Equal(t, []schema.Rule{got.Suppressed, schema.RuleNoUser}, rules, "the same without a key: %s", step.does)
	}
}

func testResolveWaitsForAMissingKey(t *testing.T, f fixture) {
	f.person(t, "ada", "acme")
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))

	_, err := prefs.NewStore(f.redis, keys(t, 'b')).Resolve(t.Context(), delivery("job.fail"))
	require.ErrorIs(t, err, prefs.ErrSealed)
	require.False(t, prefs.Unavailable(err))

	rotated := prefs.NewStore(f.redis, keys(t, 'b', 'a'))
	got, err := rotated.Resolve(t.Context(), delivery("job.fail"))
	require.NoError(t, err)
	require.NoError(t, rotated.PutTarget(t.Context(), "ada", hook, got.Settings))
	got, err = prefs.NewStore(f.redis, keys(t, 'b')).Resolve(t.Context(), delivery("job.fail"))
	require.NoError(t, err, "saving seals with the first key")
	require.JSONEq(t, hookSettings, string(got.Settings))
}

func testResolveOfADamagedRecordDecidesNothing(t *testing.T, f fixture) {
	damages := map[string]func(*testing.T, fixture) error{
		"marker": func(t *testing.T, f fixture) error {
			return f.redis.HSet(t.Context(), "tocsin:user:{ada}:prefs", "target/webhook/main", "yesterday").Err()
		},
		"profile": func(t *testing.T, f fixture) error {
			return f.redis.Set(t.Context(), "tocsin:user:{ada}:profile", "{", 0).Err()
		},
		"settings": func(t *testing.T, f fixture) error {
			return f.redis.HSet(t.Context(), "tocsin:user:{ada}:targets", "webhook/main", "{}").Err()
		},
		"kind of key": func(t *testing.T, f fixture) error {
			return f.redis.Set(t.Context(), "tocsin:user:{ada}:targets", "x", 0).Err()
		},
	}
	for name, damage := range damages {
		require.NoError(t, f.DeleteUser(t.Context(), "ada"))
		f.person(t, "ada", "acme")
		require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
		require.NoError(t, damage(t, f), name)
		got, err := f.Resolve(t.Context(), delivery("job.fail"))
		require.Error(t, err, name)
		require.False(t, prefs.Unavailable(err), name)
		require.Empty(t, got, name)
	}
}
