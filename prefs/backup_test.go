package prefs_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
)

// populated has three users with all that a user can have.
func (f fixture) populated(t *testing.T) {
	f.person(t, "ada", "acme", "globex")
	f.person(t, "bob", "acme")
	require.NoError(t, f.PutUser(t.Context(), "eve", prefs.Profile{}))
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, json.RawMessage(`{"url": "https://example.com/hook"}`)))
	require.NoError(t, f.PutTarget(t.Context(), "ada", prefs.TargetRef{Channel: "ios", ID: "d1"}, json.RawMessage(`{"token": "<&>"}`)))
	_, err := f.SwitchOff(t.Context(), "ada", hook, "410 Gone", time.Time{})
	require.NoError(t, err)
	no := false
	require.NoError(t, f.SetChoices(t.Context(), "bob", map[prefs.Cell]*bool{{Type: "job.fail", Channel: "email"}: &no}))
}

func (f fixture) backup(t *testing.T) []byte {
	var file bytes.Buffer
	_, err := prefs.Backup(t.Context(), f.Store, &file)
	require.NoError(t, err)
	return file.Bytes()
}

// everything is all that Redis holds of users and accounts.
func (f fixture) everything(t *testing.T) map[string]any {
	all := make(map[string]any)
	keys, err := f.redis.Keys(t.Context(), "tocsin:*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		switch kind := f.redis.Type(t.Context(), key).Val(); kind {
		case "string":
			all[key] = f.redis.Get(t.Context(), key).Val()
		case "hash":
			all[key] = f.redis.HGetAll(t.Context(), key).Val()
		case "set":
			all[key] = f.redis.SMembersMap(t.Context(), key).Val()
		default:
			require.Fail(t, "unexpected kind of key", "%s is a %s", key, kind)
		}
	}
	return all
}

func testABackupHoldsEverything(t *testing.T, f fixture) {
	f.populated(t)
	before, file := f.everything(t), f.backup(t)
	require.NotContains(t, text(t, file), "example.com/hook", "credentials stay sealed")
	require.NoError(t, f.redis.FlushAll(t.Context()).Err())
	done, err := prefs.Restore(t.Context(), f.Store, bytes.NewReader(file), prefs.PutBack{})
	require.NoError(t, err)
	require.Equal(t, prefs.Restored{Written: 3}, done)
	require.Equal(t, before, f.everything(t))
	targets, err := f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.JSONEq(t, `{"url": "https://example.com/hook"}`, string(targets[2].Settings))
	done, err = prefs.Restore(t.Context(), f.Store, bytes.NewReader(file), prefs.PutBack{})
	require.NoError(t, err)
	require.Equal(t, prefs.Restored{Same: 3}, done, "once more")
}

func testRestoreReplacesNobodyUnasked(t *testing.T, f fixture) {
	f.populated(t)
	before, file := f.everything(t), f.backup(t)
	require.NoError(t, f.RemoveMember(t.Context(), "acme", "ada"))
	require.NoError(t, f.AddMember(t.Context(), "initech", "ada"))
	require.NoError(t, f.DeleteUser(t.Context(), "bob"))
	f.person(t, "new", "acme")
	changed := f.everything(t)

	done, err := prefs.Restore(t.Context(), f.Store, bytes.NewReader(file), prefs.PutBack{Look: true, Replace: true})
	require.NoError(t, err)
	require.Equal(t, prefs.Restored{Written: 2, Same: 1}, done)
	require.Equal(t, changed, f.everything(t), "a look changes nothing")

	done, err = prefs.Restore(t.Context(), f.Store, bytes.NewReader(file), prefs.PutBack{})
	require.NoError(t, err)
	require.Equal(t, prefs.Restored{Written: 1, Same: 1, Kept: 1, Differ: []string{"ada"}}, done)
	require.Equal(t, []string{"globex", "initech"}, accounts(t, f, "ada"))

	done, err = prefs.Restore(t.Context(), f.Store, bytes.NewReader(file), prefs.PutBack{Replace: true})
	require.NoError(t, err)
	require.Equal(t, prefs.Restored{Written: 1, Same: 2}, done)
	require.NoError(t, f.DeleteUser(t.Context(), "new"))
	require.Equal(t, before, f.everything(t))
}

func testRestoreForgetsHowTargetsFared(t *testing.T, f fixture) {
	f.populated(t)
	file := f.backup(t)
	require.NoError(t, f.redis.HSet(t.Context(), "tocsin:user:{bob}:health", "email/main", "{}").Err())
	f.person(t, "bob", "globex")
	_, err := prefs.Restore(t.Context(), f.Store, bytes.NewReader(file), prefs.PutBack{Replace: true})
	require.NoError(t, err)
	require.NotContains(t, f.everything(t), "tocsin:user:{bob}:health")
}

func testRestoreGoesOnWhereItWas(t *testing.T, f fixture) {
	const many = 250 // two round trips
	_, err := f.redis.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range many {
			p.Set(t.Context(), fmt.Sprintf("tocsin:user:{u%d}:profile", i), `{"name":"`+strings.Repeat(fmt.Sprint(i), 50)+`"}`, 0)
			p.SAdd(t.Context(), fmt.Sprintf("tocsin:user:{u%d}:accounts", i), "acme")
			p.SAdd(t.Context(), "tocsin:account:{acme}:members", fmt.Sprintf("u%d", i))
		}
		return nil
	})
	require.NoError(t, err)
	file := f.backup(t)
	require.NoError(t, f.redis.FlushAll(t.Context()).Err())
	broken := io.MultiReader(bytes.NewReader(file[:len(file)*9/10]), iotest.ErrReader(errors.New("the network is down")))
	done, err := prefs.Restore(t.Context(), f.Store, broken, prefs.PutBack{})
	require.ErrorContains(t, err, "the network is down")
	require.Positive(t, done.Written)
	require.Less(t, done.Written, many)
	again, err := prefs.Restore(t.Context(), f.Store, bytes.NewReader(file), prefs.PutBack{})
	require.NoError(t, err)
	require.Equal(t, many, again.Written+again.Same)
	require.Equal(t, done.Written, again.Same)
	require.EqualValues(t, many, f.redis.SCard(t.Context(), "tocsin:account:{acme}:members").Val())
}

func testRestoreCountsTargetsThatItCannotOpen(t *testing.T, f fixture) {
	f.populated(t)
	file := f.backup(t)
	stranger := prefs.NewStore(f.redis, keys(t, 'x'))
	done, err := prefs.Restore(t.Context(), stranger, bytes.NewReader(file), prefs.PutBack{Look: true})
	require.NoError(t, err)
	require.Equal(t, 4, done.Foreign)
}

func testRestoreRefusesWhatIsNoWholeBackup(t *testing.T, f fixture) {
	f.populated(t)
	file := f.backup(t)
	require.NoError(t, f.redis.FlushAll(t.Context()).Err())
	for cut := 0; cut < len(file); cut += 5 {
		_, err := prefs.Restore(t.Context(), f.Store, bytes.NewReader(file[:cut]), prefs.PutBack{Look: true})
		require.ErrorContains(t, err, "read the backup", "cut off at %d of %d", cut, len(file))
	}
	lines := strings.SplitAfter(text(t, file), "\n")
	ada := `{"user":"ada","profile":"{}"}` + "\n"
	for wrong, said := range map[string]string{
		"":                                    "it is none",
		"{}\n":                                "it is none",
		`{"tocsin_backup": 2}` + "\n":         "format 2",
		lines[0]:                              "unexpected EOF",
		lines[0] + ada:                        "unexpected EOF",
		lines[0] + `{"users":1}`:              "says that it has 1 users, and has 0",
		lines[0] + ada + `{"users":1} ` + ada: "more behind its end",
		lines[0] + `{"user":"a b","profile":"{}"}{"users":1}`:                                        "user id",
		lines[0] + `{"user":"ada"}{"users":1}`:                                                       "no profile",
		lines[0] + `{"user":"ada","profile":"{}","accounts":["}:x"]}{"users":1}`:                     "account id",
		lines[0] + `{"user":"ada","profile":"{}","targets":{"webhook":"v1.a.b"}}{"users":1}`:         "target id",
		lines[0] + `{"user":"ada","profile":"{}","prefs":{"job.fail/email":true}}{"users":1}` + "\n": "bool",
	} {
		_, err := prefs.Restore(t.Context(), f.Store, bytes.NewReader(zipped(t, wrong)), prefs.PutBack{})
		require.ErrorContains(t, err, said, wrong)
	}
	_, err := prefs.Restore(t.Context(), f.Store, strings.NewReader("users: ada"), prefs.PutBack{})
	require.ErrorContains(t, err, "it is none")
	require.Empty(t, f.everything(t))
}

func text(t *testing.T, file []byte) string {
	r, err := gzip.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(plain)
}

func zipped(t *testing.T, plain string) []byte {
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	_, err := io.WriteString(w, plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return file.Bytes()
}

func accounts(t *testing.T, f fixture, user string) []string {
	all, err := f.Accounts(t.Context(), user)
	require.NoError(t, err)
	return all
}
