package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const secretsKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// output collects what a command writes while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// tocsin runs a command to its end and returns its exit code and what it wrote.
func tocsin(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err output
	code = run(t.Context(), args, stdio{in: strings.NewReader(stdin), out: &out, err: &err})
	return code, out.String(), err.String()
}

// must is tocsin for commands that succeed.
func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	code, stdout, stderr := tocsin(t, stdin, args...)
	require.Equal(t, exitDone, code, "tocsin %s: %s%s", strings.Join(args, " "), stdout, stderr)
	return stdout
}

// daemon is a command that runs until it is told to stop.
type daemon struct {
	t        *testing.T
	out, err output
	cancel   context.CancelFunc
	code     chan int
}

func start(t *testing.T, args ...string) *daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &daemon{t: t, cancel: cancel, code: make(chan int, 1)}
	go func() { d.code <- run(ctx, args, stdio{in: strings.NewReader(""), out: &d.out, err: &d.err}) }()
	t.Cleanup(func() { d.stop() })
	return d
}

// stop asks the command to end, as SIGTERM does, and returns its exit code.
func (d *daemon) stop() int {
	d.cancel()
	code := <-d.code
	d.code <- code
	return code
}

// says waits until the command has written text, and returns all it wrote.
func (d *daemon) says(text string) string {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		select {
		case code := <-d.code:
			d.code <- code
			d.t.Errorf("it ended with %d: %s%s", code, d.out.String(), d.err.String())
			return true
		default:
		}
		return strings.Contains(d.out.String()+d.err.String(), text)
	}, 60*time.Second, 10*time.Millisecond, "it does not say %q", text)
	return d.out.String() + d.err.String()
}

func TestMistakesOfTheCommandLineAreSaidAndEndWithTwo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no command":           {nil, "expected one of"},
		"unknown command":      {[]string{"wrok"}, "wrok"},
		"unknown flag":         {[]string{"worker", "--fast"}, "--fast"},
		"publish without type": {[]string{"publish", "--account", "a", "--sample"}, "<type>"},
		"publish without data": {[]string{"publish", "stack.redeploy.ok", "--account", "a"}, "--data"},
		"publish unknown type": {[]string{"publish", "stack.exploded", "--account", "a", "--sample"}, "stack.redeploy.fail"},
		"replay what":          {[]string{"dead", "replay"}, "say which"},
		"unknown channel":      {[]string{"worker", "--secrets-key", secretsKey, "--offer", "pigeon"}, `no channel "pigeon"`},
		"no slots":             {[]string{"worker", "--secrets-key", secretsKey, "--concurrency", "webhook=0"}, "webhook=0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := tocsin(t, "", c.args...)
			require.Equal(t, exitUsage, code)
			require.Contains(t, stderr, c.says)
		})
	}
}

func TestHelpStandsAlone(t *testing.T) {
	t.Parallel()
	help := must(t, "", "--help")
	for _, command := range []string{"dev", "worker", "web", "publish", "dead", "seed", "backup", "restore", "secrets", "setup", "doctor"} {
		require.Contains(t, help, command)
		require.Contains(t, must(t, "", command, "--help"), "Usage: tocsin "+command)
	}
	worker := must(t, "", "worker", "--help")
	for _, variable := range []string{
		"TOCSIN_NATS_URL", "TOCSIN_REDIS_URL", "TOCSIN_SECRETS_KEY", "TOCSIN_CHANNELS", "TOCSIN_SMTP_URL", "TOCSIN_SMTP_FROM",
		"TOCSIN_APNS_KEY_FILE", "TOCSIN_APNS_URL", "TOCSIN_HIPCHAT_URL", "TOCSIN_WEBHOOK_TIMEOUT", "TOCSIN_WEBHOOK_ALLOW",
		"TOCSIN_RETRY_INITIAL", "TOCSIN_RETRY_MULTIPLIER", "TOCSIN_RETRY_JITTER", "TOCSIN_RETRY_MAX", "TOCSIN_RETRY_WINDOW",
		"TOCSIN_DRAIN_TIMEOUT", "TOCSIN_CONCURRENCY", "TOCSIN_METRICS_ADDR", "TOCSIN_LOG_LEVEL", "TOCSIN_LOG_FORMAT",
	} {
		require.Contains(t, worker, variable)
	}
}

func TestWrongConfigurationStopsTheStartAndNamesTheVariable(t *testing.T) {
	t.Parallel()
	key := []string{"--secrets-key", secretsKey}
	for variable, args := range map[string][]string{
		"TOCSIN_SECRETS_KEY":   {"--secrets-key", "c2hvcnQ="},
		"TOCSIN_REDIS_URL":     append([]string{"--redis-url", "http://127.0.0.1"}, key...),
		"TOCSIN_SMTP_URL":      append([]string{"--smtp-url", "ftp://mail", "--smtp-from", "a@example.com"}, key...),
		"TOCSIN_SMTP_FROM":     append([]string{"--smtp-url", "smtp://127.0.0.1:25"}, key...),
		"TOCSIN_WEBHOOK_ALLOW": append([]string{"--webhook-allow", "everything"}, key...),
		"TOCSIN_APNS_KEY_FILE": append([]string{"--apns-key-file", "/nowhere.p8", "--apns-topic", "com.example.app", "--apns-key-id", "ABCDEFGHIJ", "--apns-team-id", "ABCDEFGHIJ"}, key...),
		"TOCSIN_HIPCHAT_URL":   append([]string{"--hipchat-url", "chat"}, key...),
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := tocsin(t, "", append([]string{"worker", "--metrics-addr", "off"}, args...)...)
			require.NotEqual(t, exitDone, code)
			require.Contains(t, stderr, variable)
		})
	}
}

func TestCommandsSayWhenNATSIsNotThere(t *testing.T) {
	t.Parallel()
	code, _, stderr := tocsin(t, "", "setup", "--nats-url", "nats://127.0.0.1:1")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "connect to NATS at nats://127.0.0.1:1")
}

func TestPublishRefusesWhatWouldBecomeADeadLetter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ stdin, account, says string }{
		"not JSON":        {"{", "acme", "JSON"},
		"not an object":   {"[1]", "acme", "data"},
		"hostile account": {"{}", "a.b", "account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := tocsin(t, c.stdin, "publish", "stack.redeploy.ok", "--account", c.account, "--data", "-")
			require.Equal(t, exitFailed, code)
			require.Contains(t, stderr, "not published")
			require.Contains(t, stderr, c.says)
		})
	}
}

func decodeJSON[T any](t *testing.T, r io.Reader) T {
	t.Helper()
	var v T
	require.NoError(t, json.NewDecoder(r).Decode(&v))
	return v
}
