package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// said is a text that left the program, and how it got out.
type said struct{ where, text string }

// No credential gets into a text that is not its own request, by whatever path
// an event takes: delivered, refused for good or for now, its target gone, its
// settings spoilt, its data invalid. Webhooks carry the data as it is
// published, and `dead show --body` shows it: that is what they are for.
func TestNoCanaryGetsOut(t *testing.T) {
	t.Parallel()
	m := newMine(t)
	w := start(t, m.workerArgs()...)
	m.publishAll()
	m.settle()
	require.Equal(t, exitDone, w.stop())

	operators := append(m.stored(), m.commands()...)
	operators = append(operators, said{"the log", w.out.String() + w.err.String()})
	operators = append(operators, m.mistakes()...)
	people, hooks := m.arrived()
	require.GreaterOrEqual(t, len(people), 10)
	require.NotEmpty(t, hooks)
	tried := m.tried()

	secrets := append(m.credentials(), m.linkTokens(people)...)
	search(t, append(operators, tried...), secrets)
	search(t, append(append(operators, people...), withoutBodies(tried)...), []string{dataCanary})
	var addresses []string
	for _, user := range fates {
		addresses = append(addresses, m.address(user))
	}
	search(t, append(operators, tried...), addresses)
}

// search looks for each secret as it is and as it could have been written.
func search(t *testing.T, texts []said, secrets []string) {
	t.Helper()
	told := map[string]bool{}
	for _, secret := range secrets {
		quoted, _ := json.Marshal(secret)
		forms := []string{secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), base64.RawStdEncoding.EncodeToString([]byte(secret))}
		for _, s := range texts {
			for _, form := range forms {
				if at := strings.Index(s.text, form); at >= 0 && !told[s.where+secret] {
					told[s.where+secret] = true
					t.Errorf("%s tells %q: %.200q", s.where, secret, s.text[max(0, at-80):])
				}
			}
		}
	}
}

func (m *mine) publishAll() {
	q, err := queue.Connect(queue.Options{URL: m.nats.URL()})
	require.NoError(m.t, err)
	defer q.Close()
	for _, typeName := range []string{"stack.redeploy.fail", "server.stopped"} {
		_, _, err := q.PublishEvent(m.t.Context(), loaded(m.t, typeName))
		require.NoError(m.t, err)
	}
	js := servertest.JetStream(m.t, m.nats.URL())
	header := loaded(m.t, "job.fail").Header()
	for _, body := range []string{
		`{"token":"` + dataCanary,
		`{"token":"` + dataCanary + `","name":["wrong"],"uid":{"key":"` + dataCanary + `"}}`,
		`["https://ada:` + dataCanary + `@git.example/"]`,
	} {
		servertest.PublishOn(m.t, js, schema.EventSubject("job.fail"), header, []byte(body))
	}
	servertest.PublishOn(m.t, js, schema.EventSubject("stack.redeploy.fail"), header, []byte(`{"password":"`+dataCanary+`"}`))
}

// settle waits until every delivery has ended, and every event that is invalid
// is a dead letter.
func (m *mine) settle() {
	require.Eventually(m.t, func() bool {
		var counted ledger.Result
		require.NoError(m.t, json.Unmarshal([]byte(must(m.t, "", "ledger", "audit", "-o", "json", "--nats-url", m.nats.URL())), &counted))
		invalid := must(m.t, "", "dead", "ls", "--channel", "event", "-o", "json", "--nats-url", m.nats.URL())
		return counted.Planned >= 2*23 && counted.Waiting == 0 && strings.Count(invalid, `"cause"`) == 4
	}, 90*time.Second, 200*time.Millisecond)
}

// stored is what lies in NATS beside the data, and in Redis.
func (m *mine) stored() []said {
	var all []said
	js := servertest.JetStream(m.t, m.nats.URL())
	for _, name := range []string{queue.DeadStream, queue.LedgerStream} {
		stream, err := js.Stream(m.t.Context(), name)
		require.NoError(m.t, err)
		last := stream.CachedInfo().State.LastSeq
		for sequence := uint64(1); sequence <= last; sequence++ {
			msg, err := stream.GetMsg(m.t.Context(), sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			require.NoError(m.t, err)
			header := msg.Header
			header.Del("Ce-Link") // the event's own
			delete(header, "ce-link")
			text := fmt.Sprint(msg.Subject, header)
			if name == queue.LedgerStream {
				text += string(msg.Data)
			}
			all = append(all, said{name, text})
		}
	}
	require.Greater(m.t, len(all), 50)
	_, client, err := prefsFlags{Redis: redisFlags{RedisURL: m.redisURL}, SecretsKey: secretsKey}.open()
	require.NoError(m.t, err)
	defer client.Close()
	keys, err := client.Keys(m.t.Context(), "*").Result()
	require.NoError(m.t, err)
	for _, key := range keys {
		if strings.HasSuffix(key, ":profile") {
			continue // who a user is, with their address, is not sealed
		}
		hash, _ := client.HGetAll(m.t.Context(), key).Result() // one of them is of its kind
		text, _ := client.Get(m.t.Context(), key).Result()
		set, _ := client.ZRange(m.t.Context(), key, 0, -1).Result()
		all = append(all, said{"Redis", fmt.Sprint(key, hash, text, set)})
	}
	return all
}

// commands is what operators see.
func (m *mine) commands() []said {
	var all []said
	tell := func(args ...string) string {
		text := must(m.t, "", append(args, "--nats-url", m.nats.URL())...)
		all = append(all, said{"tocsin " + strings.Join(args, " "), text})
		return text
	}
	for _, output := range []string{"text", "json"} {
		tell("dead", "ls", "-o", output)
		tell("dead", "stats", "-o", output)
		tell("ledger", "ls", "--records", "--limit", "0", "-o", output)
		tell("ledger", "audit", "-o", output)
	}
	var letters []letterView
	require.NoError(m.t, json.Unmarshal([]byte(must(m.t, "", "dead", "ls", "-o", "json", "--nats-url", m.nats.URL())), &letters))
	for _, letter := range letters {
		tell("dead", "show", fmt.Sprint(letter.Sequence))
		var shown letterView
		require.NoError(m.t, json.Unmarshal([]byte(tell("dead", "show", fmt.Sprint(letter.Sequence), "-o", "json")), &shown))
		all = append(all, said{"the body of dead show -o json", string(shown.Body)})
	}
	return all
}

// mistakes is what commands say of a configuration that is wrong.
func (m *mine) mistakes() []said {
	var all []said
	for _, args := range [][]string{
		{"--smtp-url", "ftp://relay:" + passwordCanary + "@mail.example"},
		{"--smtp-url", "smtp://relay:" + passwordCanary + "@mail.example:x"},
		{"--hipchat-url", "https://ada:" + settingCanary + "@chat.example"},
		{"--apns-url", "http://ada:" + settingCanary + "@push.example"},
		{"--link-key", settingCanary, "--public-url", "https://tocsin.example"},
		{"--secrets-key", settingCanary},
		{"--redis-url", "redis://:" + settingCanary + "@127.0.0.1:x/0"},
		{"--nats-url", "nats://ada:" + settingCanary + "@:x y"},
	} {
		for _, command := range []string{"doctor", "worker"} {
			if command == "worker" && (args[0] == "--redis-url" || args[0] == "--nats-url") {
				continue // it waits for them
			}
			code, stdout, stderr := tocsin(m.t, "", append(m.args(command), args...)...)
			require.NotEqual(m.t, exitDone, code, "%s %v: %s", command, args, stdout)
			all = append(all, said{command + " " + args[0], stdout + stderr})
		}
	}
	for _, spec := range specs() {
		document := fmt.Sprintf(`{"users":{"eve":{"channels":{%q:%s}}}}`, spec.Name, spoilt(spec))
		if spec.Many {
			document = fmt.Sprintf(`{"users":{"eve":{"devices":[%s]}}}`, spoilt(spec))
		}
		code, stdout, stderr := tocsin(m.t, document, "seed", "-", "--redis-url", m.redisURL, "--secrets-key", secretsKey)
		require.NotEqual(m.t, exitDone, code)
		all = append(all, said{"seed " + spec.Name, stdout + stderr})
		all = append(all, said{"check " + spec.Name, fmt.Sprint(spec.Check(spoilt(spec)))})
	}
	return all
}

// arrived is what people were shown, decoded, and what webhooks were sent.
func (m *mine) arrived() (people, hooks []said) {
	received, _ := m.received.Since(0)
	for _, r := range received {
		text := strings.Join([]string{r.Title, r.Text, r.HTML, r.Raw}, "\n")
		decoded, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(r.Raw))) // as much as is quoted
		form, _ := url.QueryUnescape(r.Raw)
		s := said{"a message by " + r.Channel, text + string(decoded) + form}
		if r.Channel == "webhook" {
			hooks = append(hooks, s)
		} else {
			people = append(people, s)
		}
	}
	return people, hooks
}

// linkTokens are the signed parts of the links in mails.
func (m *mine) linkTokens(people []said) []string {
	var tokens []string
	for _, s := range people {
		if _, after, found := strings.Cut(s.text, "https://tocsin.example/unsubscribe/"); found {
			tokens = append(tokens, strings.FieldsFunc(after, func(r rune) bool { return strings.ContainsRune("\r\n >\"=", r) })[0])
		}
	}
	require.NotEmpty(m.t, tokens)
	return tokens
}

// tried is what somebody sees who tests a channel, for every channel, fate and
// type of event.
func (m *mine) tried() []said {
	var all []said
	for name, channel := range m.open() {
		for _, user := range append(fates[:len(fates):len(fates)], "spoilt") {
			to := m.targetOf(name, user)
			if to.Settings == nil {
				continue
			}
			for _, kind := range schema.Types() {
				d := schema.Delivery{Event: loaded(m.t, kind.Name), User: user, Channel: name, Target: to.ID}
				trial := channels.Try(m.t.Context(), channel, d, to)
				shown, err := json.Marshal(trial)
				require.NoError(m.t, err)
				where := fmt.Sprintf("a test of %s that goes %s", name, user)
				all = append(all, said{where, fmt.Sprintf("%s %+v %+v", shown, trial.Header, trial.Err)})
			}
		}
	}
	return all
}

func (m *mine) targetOf(channel, user string) channels.Target {
	to := channels.Target{ID: channels.MainTarget}
	switch {
	case user == "spoilt":
		for _, spec := range specs() {
			if spec.Name == channel {
				to.Settings = spoilt(spec)
			}
		}
	case channel == "ios":
		to.Settings, _ = json.Marshal(map[string]string{"token": deviceToken(user)})
	case m.settings(user)[channel] != nil:
		to.Settings, _ = json.Marshal(m.settings(user)[channel])
	}
	return to
}

// withoutBodies leaves out the tests of webhooks, which show what was signed.
func withoutBodies(tried []said) []said {
	var rest []said
	for _, s := range tried {
		if !strings.Contains(s.where, "webhook") {
			rest = append(rest, s)
		}
	}
	return rest
}
