package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels/webhook"
	"tocsin/farend"
	"tocsin/schema"
	"tocsin/servertest"
)

// site is a NATS, a Redis and a webhook receiver, with one account whose one
// user has a webhook.
type site struct {
	t        *testing.T
	nats     *servertest.NATSServer
	redisURL string
	received farend.Log
	hook     *farend.Hook
	secret   string
}

const hookPath = "/hook/of-a-secret-path"

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, nats: servertest.NATS(t), redisURL: servertest.Redis(t), secret: webhook.NewSecret()}
	var err error
	s.hook, err = farend.NewHook(&s.received)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.hook.Close()) })
	s.hook.Verify(hookPath, s.secret)
	document, err := json.Marshal(map[string]any{
		"users": map[string]any{"ada": map[string]any{"channels": map[string]any{
			"webhook": map[string]string{"url": s.hook.URL() + hookPath, "secret": s.secret},
		}}},
		"accounts": map[string][]string{"acme": {"ada"}},
	})
	require.NoError(t, err)
	must(t, string(document), "seed", "-", "--redis-url", s.redisURL, "--secrets-key", secretsKey)
	must(t, "", "setup", "--nats-url", s.nats.URL())
	return s
}

func (s *site) workerArgs(more ...string) []string {
	return append([]string{
		"worker", "--nats-url", s.nats.URL(), "--redis-url", s.redisURL, "--secrets-key", secretsKey,
		"--webhook-allow", "127.0.0.0/8", "--metrics-addr", "off", "--log-level", "debug", "--retry-initial", "100ms",
	}, more...)
}

func (s *site) publish(typeName string, more ...string) {
	s.t.Helper()
	must(s.t, "", append([]string{"publish", typeName, "--account", "acme", "--sample", "--nats-url", s.nats.URL()}, more...)...)
}

func (s *site) eventually(n int) []farend.Received {
	s.t.Helper()
	deadline := time.After(90 * time.Second)
	for {
		received, more := s.received.Since(0)
		if len(received) >= n {
			return received
		}
		select {
		case <-more:
		case <-deadline:
			require.FailNow(s.t, "too little arrived", "%d of %d", len(received), n)
		}
	}
}

func TestThirdAttemptHasTheSameIDAndBody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 503}, farend.HookAnswer{Status: 503})
	start(t, s.workerArgs()...)
	s.publish("stack.redeploy.fail")
	attempts := s.eventually(3)
	require.Equal(t, []string{"503", "503", "200"}, []string{attempts[0].Status, attempts[1].Status, attempts[2].Status})
	for _, a := range attempts[1:] {
		require.Equal(t, attempts[0].Delivery, a.Delivery)
		require.Equal(t, attempts[0].Text, a.Text)
	}
}

func TestDeadLetterIsListedShownAndReplayed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 404})
	start(t, s.workerArgs()...)
	s.publish("job.fail", "--id", "e1")
	refused := s.eventually(1)[0]

	var letters []letterView
	require.Eventually(t, func() bool {
		letters = nil
		list := must(t, "", "dead", "ls", "-o", "json", "--nats-url", s.nats.URL())
		require.NoError(t, json.Unmarshal([]byte(list), &letters))
		return len(letters) == 1
	}, 30*time.Second, 50*time.Millisecond)
	require.Equal(t, "webhook", letters[0].Channel)
	require.Equal(t, "job.fail", letters[0].Type)
	require.Equal(t, "404", letters[0].Status)
	require.Equal(t, refused.Delivery, letters[0].Delivery)
	require.Equal(t, strings.TrimPrefix(s.hook.URL(), "http://"), letters[0].Host)
	sequence := fmt.Sprint(letters[0].Sequence)
	sample, err := schema.Sample("job.fail")
	require.NoError(t, err)
	require.Contains(t, must(t, "", "dead", "show", sequence, "--nats-url", s.nats.URL()), string(schema.Redacted(sample.Data)))
	require.Equal(t, string(sample.Data), must(t, "", "dead", "show", sequence, "--body", "--nats-url", s.nats.URL()))
	require.Contains(t, must(t, "", "dead", "ls", "--nats-url", s.nats.URL()), "404")
	require.NotContains(t, must(t, "", "dead", "ls", "--user", "eve", "--nats-url", s.nats.URL()), "404")

	code, said, _ := tocsin(t, "n\n", "dead", "replay", "--channel", "webhook", "--nats-url", s.nats.URL(), "--redis-url", s.redisURL)
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "Replay 1 dead letter? [y/N]")

	must(t, "", "dead", "replay", sequence, "--yes", "--nats-url", s.nats.URL(), "--redis-url", s.redisURL)
	replayed := s.eventually(2)[1]
	require.Equal(t, "200", replayed.Status)
	require.Equal(t, refused.Delivery, replayed.Delivery)
	require.Equal(t, refused.Text, replayed.Text)
	require.JSONEq(t, "[]", must(t, "", "dead", "ls", "-o", "json", "--nats-url", s.nats.URL()))
}

func TestLogsHoldNoPayloadAddressOrCredential(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 500}, farend.HookAnswer{Status: 404})
	w := start(t, s.workerArgs("--log-level", "debug")...)
	s.publish("stack.redeploy.fail")
	s.publish("stack.redeploy.ok")
	logged := w.says(`"dead"`) + w.says(`"delivered"`)
	sample, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	var resource map[string]any
	require.NoError(t, json.Unmarshal(sample.Data, &resource))
	for _, secret := range []string{s.secret, hookPath, s.hook.URL(), secretsKey, resource["uid"].(string)} {
		require.NotContains(t, logged, secret)
	}
}

func TestSecondWorkerOnAPortThatIsTakenSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	taken := s.hook.URL()[len("http://"):]
	code, _, stderr := tocsin(t, "", s.workerArgs("--metrics-addr", taken)...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "TOCSIN_METRICS_ADDR")
}

func TestDoctorTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	args := []string{"doctor", "--nats-url", s.nats.URL(), "--redis-url", s.redisURL}
	code, said, _ := tocsin(t, "", append(args, "--secrets-key", secretsKey)...)
	require.Equal(t, exitDone, code, said)
	require.Contains(t, said, "no append-only file")
	code, said, _ = tocsin(t, "", append(args, "--smtp-url", "ftp://x")...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "TOCSIN_SECRETS_KEY")
	require.Contains(t, said, "TOCSIN_SMTP_URL")
}

// program builds the real binary, once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs(filepath.Join("..", "..", "bin"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tocsin-under-test")
	out, err := exec.Command("go", "build", raceFlag, "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build tocsin: %w: %s", err, out)
	}
	return path, nil
})

// process starts the real binary.
func (s *site) process(args ...string) *exec.Cmd {
	s.t.Helper()
	path, err := program()
	require.NoError(s.t, err)
	cmd := exec.CommandContext(s.t.Context(), path, args...)
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func (s *site) publishMany(n int) {
	s.t.Helper()
	js := servertest.JetStream(s.t, s.nats.URL())
	sample, err := schema.Sample("stack.redeploy.ok")
	require.NoError(s.t, err)
	sample.Source, sample.Account, sample.Time = "tocsin/test", "acme", time.Now()
	for i := range n {
		sample.ID = fmt.Sprint("many-", i)
		servertest.PublishOn(s.t, js, schema.EventSubject(sample.Type), sample.Header(), sample.Data)
	}
}

// distinct counts the deliveries among what arrived.
func distinct(received []farend.Received) int {
	ids := map[string]bool{}
	for _, r := range received {
		ids[r.Delivery] = true
	}
	return len(ids)
}

func (s *site) eventuallyDistinct(n int) []farend.Received {
	s.t.Helper()
	deadline := time.After(120 * time.Second)
	for {
		received, more := s.received.Since(0)
		if distinct(received) >= n {
			return received
		}
		select {
		case <-more:
		case <-deadline:
			require.FailNow(s.t, "too little arrived", "%d of %d", distinct(received), n)
		}
	}
}

func TestKillingOneOfTwoWorkersLosesNothing(t *testing.T) {
	t.Parallel()
	const events = 3000
	s := newSite(t)
	victim := s.process(s.workerArgs()...)
	s.process(s.workerArgs()...)
	s.eventuallyWorking()
	go s.publishMany(events)
	s.eventually(events / 3)
	require.NoError(t, victim.Process.Signal(syscall.SIGKILL))
	received := s.eventuallyDistinct(events + 1)
	t.Logf("%d events, %d arrivals: %d duplicates after kill -9", events, len(received)-1, len(received)-1-events)
	result := s.audit()
	require.Equal(t, events+1, result.Planned)
	require.Empty(t, result.Missing)
}

// eventuallyWorking sends one event through.
func (s *site) eventuallyWorking() {
	s.t.Helper()
	s.publish("job.fail", "--id", "first")
	s.eventually(1)
}

func TestSIGTERMFinishesWhatIsInHandAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	const events = 500
	s := newSite(t)
	leaving := s.process(s.workerArgs()...)
	s.eventuallyWorking()
	s.publishMany(events)
	s.eventually(events / 4)
	require.NoError(t, leaving.Process.Signal(syscall.SIGTERM))
	require.NoError(t, leaving.Wait(), "exit code 0")
	s.process(s.workerArgs()...)
	received := s.eventuallyDistinct(events + 1)
	require.Len(t, received, events+1, "nothing twice")
}

func TestWorkerReportsItsHealth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	said := start(t, s.workerArgs("--metrics-addr", "127.0.0.1:0")...).says("answering /healthz, /readyz and /metrics")
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(said)
	require.Eventually(t, func() bool { return status(t, "http://"+address+"/readyz") == http.StatusOK }, 30*time.Second, 20*time.Millisecond)
	s.nats.Stop()
	require.Eventually(t, func() bool { return status(t, "http://"+address+"/readyz") == http.StatusServiceUnavailable }, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, http.StatusOK, status(t, "http://"+address+"/healthz"), "a worker that waits is alive")
	s.nats.Start()
	require.Eventually(t, func() bool { return status(t, "http://"+address+"/readyz") == http.StatusOK }, 30*time.Second, 20*time.Millisecond)
}

func status(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
