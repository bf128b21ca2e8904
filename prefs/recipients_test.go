package prefs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
)

func testRecipients(t *testing.T, f fixture) {
	require.Empty(t, f.recipients(t, "acme"))
	f.person(t, "ada", "acme")
	f.person(t, "bob", "zeta")
	cell := prefs.Cell{Type: "job.fail", Channel: "email"}
	require.NoError(t, f.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{cell: new(false)}))
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
	ada := prefs.Recipient{User: "ada", Choices: map[prefs.Cell]bool{cell: false}, Targets: []prefs.TargetRef{mail, hook}}
	require.Equal(t, []prefs.Recipient{ada}, f.recipients(t, "acme"))

	_, err := f.SwitchOff(t.Context(), "ada", hook, "410", noon.AddDate(100, 0, 0))
	require.NoError(t, err)
	ada.Targets, ada.Off = []prefs.TargetRef{mail}, []prefs.TargetRef{hook}
	require.Equal(t, []prefs.Recipient{ada}, f.recipients(t, "acme"))
}

func testRecipientsOfAnEventForOneUser(t *testing.T, f fixture) {
	f.person(t, "ada", "acme")
	f.person(t, "bob", "acme")
	f.person(t, "eve", "zeta")
	for only, want := range map[string][]string{"ada": {"ada"}, "eve": nil, "nobody": nil} {
		var got []string
		for chunk, err := range f.Recipients(t.Context(), "acme", only) {
			require.NoError(t, err)
			for _, r := range chunk {
				got = append(got, r.User)
			}
		}
		require.Equal(t, want, got, only)
	}
}

func testABrokenRecordStopsNobodyElse(t *testing.T, f fixture) {
	for _, user := range []string{"ada", "bob", "eve"} {
		f.person(t, user, "acme")
	}
	require.NoError(t, f.redis.HSet(t.Context(), "tocsin:user:{bob}:prefs",
		"job.fail/email", "maybe", "nonsense", "1", "a/b/c", "1", "job.fail/webhook", "0",
		"target/ios/phone", "yesterday", "target/ios", "2026-03-01T12:00:00Z", "target/ios/a.b", "2026-03-01T12:00:00Z",
		"target/webhook/main", "2026-03-01T12:00:00Z", "target/hipchat/main", "off 2026-03-01T12:00:00Z",
	).Err())
	require.NoError(t, f.redis.Del(t.Context(), "tocsin:user:{eve}:prefs").Err())
	require.NoError(t, f.redis.LPush(t.Context(), "tocsin:user:{eve}:prefs", "x").Err())

	require.ElementsMatch(t, []prefs.Recipient{
		{User: "ada", Targets: []prefs.TargetRef{mail}},
		{
			User: "bob", Targets: []prefs.TargetRef{mail, hook}, Off: []prefs.TargetRef{{Channel: "hipchat", ID: "main"}},
			Choices:    map[prefs.Cell]bool{{Type: "job.fail", Channel: "webhook"}: false},
			Unreadable: []string{"a/b/c", "job.fail/email", "nonsense", "target/ios", "target/ios/a.b", "target/ios/phone"},
		},
		{User: "eve", Unreadable: []string{"tocsin:user:{eve}:prefs"}},
	}, f.recipients(t, "acme"))
}

func testTenThousandMembersStream(t *testing.T, f fixture) {
	const members = 10_000
	crowd(t, f.redis, "acme", members)
	f.trips.reset()

	seen := make(map[string]bool)
	for chunk, err := range f.Recipients(t.Context(), "acme", "") {
		require.NoError(t, err)
		require.LessOrEqual(t, len(chunk), 500)
		for _, r := range chunk {
			if seen[r.User] || len(r.Targets) != 1 || r.Targets[0] != mail {
				t.Fatalf("%+v is wrong or came before", r)
			}
			seen[r.User] = true
		}
	}
	require.Len(t, seen, members)

	commands, pipelines := f.trips.sent()
	require.Len(t, pipelines, members/500, "one round trip reads a chunk")
	for _, name := range commands {
		require.Equal(t, "sscan", name)
	}
}

func testRecipientsCanBeLeftEarly(t *testing.T, f fixture) {
	crowd(t, f.redis, "acme", 1200)
	f.trips.reset()
	for chunk, err := range f.Recipients(t.Context(), "acme", "") {
		require.NoError(t, err)
		require.Len(t, chunk, 500)
		break
	}
	_, pipelines := f.trips.sent()
	require.Len(t, pipelines, 1, "chunks are read before they are asked for")
}

func testRecipientsEndWithTheFirstError(t *testing.T, f fixture) {
	crowd(t, f.redis, "acme", 1200)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ends []error
	for _, err := range f.Recipients(ctx, "acme", "") {
		ends = append(ends, err)
		cancel()
	}
	require.Len(t, ends, 2)
	require.NoError(t, ends[0])
	require.True(t, errors.Is(ends[1], context.Canceled), "%v", ends[1])
}

// crowd writes members with an e-mail target straight into Redis, in the
// layout that the package documents.
func crowd(t testing.TB, client redis.UniversalClient, account string, members int) {
	_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range members {
			user := fmt.Sprint("user", i)
			p.SAdd(t.Context(), "tocsin:account:{"+account+"}:members", user)
			p.HSet(t.Context(), "tocsin:user:{"+user+"}:prefs", "target/email/main", "2026-03-01T12:00:00.000000000Z",
				"stack.redeploy.ok/email", "0", "stack.deploy.started/email", "1")
		}
		return nil
	})
	require.NoError(t, err)
}
