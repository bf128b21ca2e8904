package prefs_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
	"tocsin/servertest"
)

// calls are what a worker asks of the store while it works.
func calls(f fixture) map[string]func(context.Context) error {
	e := schema.Event{Source: "/stacks", ID: "1"}
	return map[string]func(context.Context) error{
		"Resolve": func(ctx context.Context) error { _, err := f.Resolve(ctx, delivery("job.fail")); return err },
		"Recipients": func(ctx context.Context) error {
			for _, err := range f.Recipients(ctx, "acme", "") {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Claim":      func(ctx context.Context) error { _, err := f.Claim(ctx, e, 1); return err },
		"MarkRouted": func(ctx context.Context) error { return f.MarkRouted(ctx, e, 1) },
		"SwitchOff": func(ctx context.Context) error {
			_, err := f.SwitchOff(ctx, "ada", hook, "410", time.Time{})
			return err
		},
	}
}

func TestRedisGoneAndBack(t *testing.T) {
	t.Parallel()
	server := servertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	f := newFixture(t, server.URL()+"?dial_timeout=1s&max_retries=-1")
	f.person(t, "ada", "acme")
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))

	server.Stop()
	for name, call := range calls(f) {
		err := call(t.Context())
		require.True(t, prefs.Unavailable(err), "%s: %v", name, err)
	}
	server.Start()
	for name, call := range calls(f) {
		require.EventuallyWithT(t, func(c *assert.CollectT) { require.NoError(c, call(t.Context())) }, time.Minute, 10*time.Millisecond, name)
	}
	require.Equal(t, []string{"ada"}, f.members(t, "acme"))
}

func TestRedisThatHangsIsUnavailable(t *testing.T) {
	t.Parallel()
	server := servertest.StartRedis(t)
	f := newFixture(t, server.URL()+"?read_timeout=50ms&max_retries=-1")
	f.person(t, "ada", "acme")
	server.Pause()
	for name, call := range calls(f) {
		err := call(t.Context())
		require.True(t, prefs.Unavailable(err), "%s: %v", name, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.True(t, prefs.Unavailable(calls(f)["Resolve"](ctx)), "a caller's own deadline")
	server.Resume()
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.NoError(c, calls(f)["Recipients"](t.Context())) }, time.Minute, 10*time.Millisecond)
}

func TestRedisThatRefusesIsUnavailable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options []string
		says    string
	}{
		"a password is needed":          {[]string{"--requirepass", "secret"}, "NOAUTH"},
		"a replica takes no writes":     {[]string{"--replicaof", "127.0.0.1", "1"}, "READONLY"},
		"a replica without its master":  {[]string{"--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no"}, "MASTERDOWN"},
		"a cluster that is not whole":   {[]string{"--cluster-enabled", "yes"}, "CLUSTERDOWN"},
		"no memory left":                {[]string{"--maxmemory", "1"}, "OOM"},
		"too few replicas for writing":  {[]string{"--min-replicas-to-write", "1"}, "NOREPLICAS"},
		"an operator's rules forbid it": {[]string{"--user", "default", "on", "nopass", "~*", "+@connection"}, "NOPERM"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, servertest.StartRedis(t, test.options...).URL()+"?max_retries=-1")
			err := f.MarkRouted(t.Context(), schema.Event{}, 1)
			require.ErrorContains(t, err, test.says)
			require.True(t, prefs.Unavailable(err))
		})
	}
}

func TestWrongPasswordIsUnavailable(t *testing.T) {
	t.Parallel()
	server := servertest.StartRedis(t, "--requirepass", "secret")
	f := newFixture(t, "redis://:guess@"+server.URL()[len("redis://"):])
	for name, call := range calls(f) {
		err := call(t.Context())
		require.ErrorContains(t, err, "WRONGPASS", name)
		require.True(t, prefs.Unavailable(err), name)
		require.NotContains(t, err.Error(), "guess", name)
	}
}

// errSentinels is what go-redis says when no sentinel knows the master.
var errSentinels = fmt.Errorf("redis: all sentinels specified in configuration are unreachable: %w", redis.Nil)

// failing is a client whose every command ends with an error.
type failing struct{ err error }

func (h failing) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h failing) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		cmd.SetErr(h.err)
		return h.err
	}
}

func (h failing) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			cmd.SetErr(h.err)
		}
		return h.err
	}
}

func TestSentinelsWithoutAMasterAreNoAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "redis://127.0.0.1:1")
	f.redis.AddHook(failing{errSentinels})
	for name, call := range calls(f) {
		err := call(t.Context())
		require.True(t, prefs.Unavailable(err), "%s: %v", name, err)
	}
	_, err := f.User(t.Context(), "ada")
	require.NotErrorIs(t, err, prefs.ErrNoUser)
	require.True(t, prefs.Unavailable(err))
}

// A worker's open connections outlive a change of the password; what it reads
// over a new one must not look like a user who has set nothing up.
func TestPasswordChangedBetweenRoundTrips(t *testing.T) {
	t.Parallel()
	server := servertest.StartRedis(t)
	f := newFixture(t, server.URL()+"?pool_size=1&pipeline_pool_size=-1")
	crowd(t, f.redis, "acme", 1200)
	admin := open(t, server.URL())
	chunks := 0
	var last error
	for chunk, err := range f.Recipients(t.Context(), "acme", "") {
		if last = err; err != nil {
			break
		}
		chunks++
		require.Len(t, chunk[0].Targets, 1)
		require.NoError(t, admin.ConfigSet(t.Context(), "requirepass", "secret").Err())
		require.NoError(t, admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal").Err())
	}
	require.Equal(t, 1, chunks)
	require.True(t, prefs.Unavailable(last), "%v", last)
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, servertest.Redis(t))
	says := func(reply string) error {
		return f.redis.Eval(t.Context(), "return redis.error_reply(ARGV[1])", nil, reply).Err()
	}
	tests := map[string]struct {
		err  error
		want bool
	}{
		"nothing":               {nil, false},
		"loading":               {says("LOADING Redis is loading the dataset in memory"), true},
		"wrapped":               {fmt.Errorf("resolve: %w", says("TRYAGAIN Multiple keys request during rehashing of slot")), true},
		"clients":               {says("ERR max number of clients reached"), true},
		"busy":                  {says("BUSY Redis is busy running a script"), true},
		"disk":                  {says("MISCONF Redis is configured to save RDB snapshots"), true},
		"no route":              {&net.OpError{Op: "dial", Err: errors.New("no route to host")}, true},
		"no name":               {&net.DNSError{Err: "no such host", IsNotFound: true}, true},
		"pool":                  {redis.ErrPoolTimeout, true},
		"deadline":              {context.DeadlineExceeded, true},
		"sentinels":             {errSentinels, true},
		"cancelled":             {fmt.Errorf("resolve: %w", context.Canceled), false},
		"closed":                {redis.ErrClosed, false},
		"nil reply":             {redis.Nil, false},
		"kind of key":           {says("WRONGTYPE Operation against a key holding the wrong kind of value"), false},
		"a fault of a script":   {says("ERR user_script:1: Script attempted to access nonexistent global variable"), false},
		"keys of several slots": {says("CROSSSLOT Keys in request don't hash to the same slot"), false},
		"no user":               {prefs.ErrNoUser, false},
		"sealed":                {prefs.ErrSealed, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, prefs.Unavailable(test.err), "%v", test.err)
		})
	}
}
