package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
	"tocsin/schema"
	"tocsin/servertest"
)

// house is a running `tocsin dev`.
type house struct {
	t          *testing.T
	page, nats string
}

func openHouse(t *testing.T) house {
	t.Helper()
	d := start(t, "dev", "--data", t.TempDir(), "--http-addr", "127.0.0.1:0", "--nats-addr", "127.0.0.1:0", "--log-level", "warn")
	said := d.says("Publish an event")
	h := house{t: t}
	h.page = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(said)
	h.nats = regexp.MustCompile(`nats://127\.0\.0\.1:\d+`).FindString(said)
	require.NotEmpty(t, h.page)
	require.NotEmpty(t, h.nats, "the command line to try says where to publish")
	return h
}

func (h house) received() []farend.Received {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.page+"/received?after=0", nil)
	require.NoError(h.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(h.t, err)
	defer response.Body.Close()
	require.Equal(h.t, http.StatusOK, response.StatusCode)
	return decodeJSON[[]farend.Received](h.t, response.Body)
}

// eventually waits until n things have arrived.
func (h house) eventually(n int) []farend.Received {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return len(h.received()) >= n }, 60*time.Second, 50*time.Millisecond,
		"%d things should arrive", n)
	return h.received()
}

// The four channels of the sample user.
var everyChannel = []string{"email", "hipchat", "ios", "webhook"}

func TestEverySampleArrivesOnceByEveryChannel(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	types := schema.Types()

	t.Log("from the command line")
	for _, typ := range types {
		must(t, "", "publish", typ.Name, "--account", devAccount, "--sample", "--nats-url", h.nats)
	}
	h.requireOnceEach(len(types))

	t.Log("from another language")
	for _, typ := range types {
		h.publishFromPython(typ.Name)
	}
	h.requireOnceEach(2 * len(types))

	t.Log("twice, and something after it")
	for range 2 {
		must(t, "", "publish", "job.fail", "--account", devAccount, "--sample", "--id", "twice", "--nats-url", h.nats)
	}
	must(t, "", "publish", "job.backon", "--account", devAccount, "--sample", "--nats-url", h.nats)
	h.requireOnceEach(2*len(types) + 2)
}

// requireOnceEach waits until n events have arrived and sees that each arrived
// once by each channel.
func (h house) requireOnceEach(n int) {
	h.t.Helper()
	arrivals := map[string]map[string]int{}
	for _, r := range h.eventually(n * len(everyChannel)) {
		require.Regexp(h.t, `^(2\d\d)?`, r.Status)
		if arrivals[r.Channel] == nil {
			arrivals[r.Channel] = map[string]int{}
		}
		arrivals[r.Channel][r.Delivery+r.Raw]++
	}
	for _, channel := range everyChannel {
		require.Len(h.t, arrivals[channel], n, "%s", channel)
	}
	require.Len(h.t, h.received(), n*len(everyChannel))
}

func (h house) publishFromPython(typeName string) {
	h.t.Helper()
	sample, err := schema.Sample(typeName)
	require.NoError(h.t, err)
	path := filepath.Join(h.t.TempDir(), "resource.json")
	require.NoError(h.t, os.WriteFile(path, sample.Data, 0o600))
	out, err := exec.CommandContext(h.t.Context(), "python3", "../../examples/publish.py", h.nats, devAccount, typeName, path).CombinedOutput()
	require.NoError(h.t, err, "%s", out)
}

// The body is the resource with two more fields, as the product page promises.
func TestWebhookBodyIsTheResource(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	resource := `{"uid":"5999b763","name":"Ledger","build":900719925474099312345,"unknown":{"timestamp":1}}`
	must(t, resource, "publish", "stack.redeploy.ok", "--account", devAccount, "--data", "-",
		"--time", "2026-03-01T12:00:00Z", "--nats-url", h.nats)
	for _, r := range h.eventually(len(everyChannel)) {
		if r.Channel != "webhook" {
			continue
		}
		var body map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(r.Text), &body))
		require.Equal(t, map[string]json.RawMessage{
			"uid": []byte(`"5999b763"`), "name": []byte(`"Ledger"`),
			"build": []byte("900719925474099312345"), "unknown": []byte(`{"timestamp":1}`),
			"timestamp":  []byte(fmt.Sprint(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Unix())),
			"event_type": []byte(`"stack.redeploy.ok"`),
		}, body)
	}
}

// The link of a mail stops mails of its type, and nothing else.
func TestLinkInAMailStopsMailsOfItsType(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	must(t, "", "publish", "job.fail", "--account", devAccount, "--sample", "--nats-url", h.nats)
	var link string
	for _, r := range h.eventually(len(everyChannel)) {
		if r.Channel == "email" {
			link = regexp.MustCompile(`(?s)List-Unsubscribe: <(http[^>]*)>`).FindStringSubmatch(strings.ReplaceAll(r.Raw, "\r\n ", ""))[1]
			require.Contains(t, r.Raw, "List-Unsubscribe-Post: List-Unsubscribe=One-Click")
		}
	}
	require.Equal(t, http.StatusOK, status(t, link), "a scanner follows it, and nothing happens")
	response, err := http.PostForm(link, url.Values{"List-Unsubscribe": {"One-Click"}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)

	must(t, "", "publish", "job.fail", "--account", devAccount, "--sample", "--nats-url", h.nats)
	must(t, "", "publish", "job.backon", "--account", devAccount, "--sample", "--nats-url", h.nats)
	mails := 0
	for _, r := range h.eventually(3*len(everyChannel) - 1) {
		if r.Channel == "email" {
			mails++
		}
	}
	require.Equal(t, 2, mails, "the first job.fail and the job.backon")
}

func TestExampleInPythonSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server := servertest.NATS(t)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no arguments":   {nil, 2, "usage: publish.py SERVER ACCOUNT TYPE FILE"},
		"not a server":   {[]string{"localhost", "acme", "job.fail", "-"}, 1, "is not the address of a server"},
		"nobody there":   {[]string{"nats://127.0.0.1:1", "acme", "job.fail", "-"}, 1, "cannot reach 127.0.0.1"},
		"no file":        {[]string{server.URL(), "acme", "job.fail", "/nowhere.json"}, 1, "/nowhere.json"},
		"no JSON":        {[]string{server.URL(), "acme", "job.fail", "../../go.mod"}, 1, "../../go.mod is not JSON"},
		"not set up yet": {[]string{server.URL(), "acme", "job.fail", "-"}, 1, "run 'tocsin setup' first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "python3", append([]string{"../../examples/publish.py"}, c.args...)...)
			cmd.Stdin = strings.NewReader("{}")
			out, _ := cmd.CombinedOutput()
			require.Equal(t, c.code, cmd.ProcessState.ExitCode(), "%s", out)
			require.Contains(t, string(out), c.says)
			require.NotContains(t, string(out), "Traceback")
		})
	}
}
