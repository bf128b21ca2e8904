package main

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

const newKey = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="

func (s *site) rotate(keys string, more ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	args := []string{"secrets", "rotate", "--nats-url", s.nats.URL(), "--redis-url", s.redisURL, "--secrets-key", keys}
	return tocsin(s.t, "", append(args, more...)...)
}

// The key is changed as the handbook has it, while events flow: each is delivered,
// once, and no attempt meets credentials that its worker cannot open.
func TestKeyIsChangedWhileTheFleetRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker := start(t, s.workerArgs()...)
	s.eventuallyWorking()
	stop, ended := make(chan struct{}), make(chan struct{})
	var published atomic.Int64
	go func() { defer close(ended); s.publishUntil(stop, &published) }()
	goesOn := func() {
		t.Helper()
		received, _ := s.received.Since(0)
		s.eventually(len(received) + 50)
	}
	roll := func(keys string) {
		t.Helper()
		next := start(t, s.workerArgs("--secrets-key", keys)...)
		next.says(`"working"`)
		require.Equal(t, exitDone, worker.stop())
		worker = next
		goesOn()
	}

	roll(secretsKey + "," + newKey)
	roll(newKey + "," + secretsKey)
	code, said, stderr := s.rotate(newKey+","+secretsKey, "--yes")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, "encrypted the credentials of 1 target with the first key; those of 0 were already, 0 cannot be opened\n"+
		"older keys are not needed any more: remove them from TOCSIN_SECRETS_KEY, and keep them with the backups of before\n", said)
	goesOn()
	roll(newKey)

	close(stop)
	<-ended
	want := int(published.Load()) + 1
	s.eventuallyDistinct(want)
	require.Eventually(t, func() bool { return s.audit().Waiting == 0 }, 60*time.Second, 200*time.Millisecond)
	result := s.audit()
	require.Equal(t, want, result.Planned)
	require.Empty(t, result.Missing)
	received, _ := s.received.Since(0)
	require.Len(t, received, want, "nothing twice")
	for _, r := range received {
		require.Equal(t, "200", r.Status, "signed with the user's secret")
	}
	acts := must(t, "", "audit", "-o", "json", "--nats-url", s.nats.URL())
	require.Contains(t, acts, `"secrets.rotate"`)
	require.NotContains(t, acts, newKey)
}

func TestRotationSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	both := newKey + "," + secretsKey
	code, said, _ := s.rotate(secretsKey)
	require.Equal(t, exitDone, code)
	require.Contains(t, said, "holds one key only")

	code, said, stderr := s.rotate(both, "--dry-run")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, said, "would encrypt the credentials of 1 target")
	require.Contains(t, said, "still needed, by 1 target")
	code, said, stderr = s.rotate(both)
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "Encrypt the credentials of 1 target anew? [y/N]")
	require.Contains(t, stderr, "nothing was encrypted anew")

	code, said, stderr = s.rotate(newKey, "--yes")
	require.Equal(t, exitFailed, code, "no key opens it")
	require.Contains(t, said, "1 cannot be opened")
	require.Contains(t, stderr, "webhook/main of user ada")
	require.Contains(t, stderr, "append it to TOCSIN_SECRETS_KEY")
	require.NotContains(t, stderr, s.secret)

	address, err := redis.ParseURL(s.redisURL)
	require.NoError(t, err)
	client := redis.NewClient(address)
	defer client.Close()
	require.NoError(t, client.HSet(t.Context(), "tocsin:user:{eve}:targets", "webhook/main", "v1.00000000.AAAA").Err())
	code, said, _ = s.rotate(both, "--yes", "-o", "json")
	require.Equal(t, exitFailed, code)
	var result rotation
	require.NoError(t, json.Unmarshal([]byte(said), &result))
	require.Equal(t, rotation{Keys: 2, Anew: 1, Unopened: 1}, result, "what can be opened is done all the same")
	code, said, _ = s.rotate(newKey, "--dry-run", "-o", "json")
	require.Equal(t, exitFailed, code)
	require.JSONEq(t, `{"dry_run": true, "keys": 1, "anew": 0, "already": 1, "unopened": 1, "left": 0}`, said)
}

// A process that still has an older key first may save after the rotation has passed.
func TestRotationThatWasOvertakenFails(t *testing.T) {
	t.Parallel()
	var said output
	overtaken := rotation{Keys: 2, Anew: 5, Left: 1}
	overtaken.write(&said)
	require.Contains(t, said.String(), "older keys are still needed, by 1 target")
	require.ErrorContains(t, overtaken.fault(), "put the new one first there, and run this again")
}
