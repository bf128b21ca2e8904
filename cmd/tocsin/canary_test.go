package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/email"
	"tocsin/channels/hipchat"
	"tocsin/channels/ios"
	"tocsin/channels/slack"
	"tocsin/channels/webhook"
	"tocsin/farend"
	"tocsin/prefs"
	"tocsin/schema"
	"tocsin/servertest"
)

// Canaries are credentials that would be recognised wherever they got to.
const (
	dataCanary     = "canary-of-the-data"
	passwordCanary = "canary-of-smtp"
	headerCanary   = "canary-of-a-header"
	pathCanary     = "canary-of-a-path"
	settingCanary  = "canary-of-a-setting"
)

// mine is a site with all five channels, whose far ends repeat every credential
// that they have been told.
type mine struct {
	t        *testing.T
	nats     *servertest.NATSServer
	redisURL string
	received farend.Log
	inbox    *farend.Inbox
	apns     *farend.APNs
	keys     farend.APNsCredentials
	hipchat  *farend.HipChat
	slack    *farend.Slack
	hook     *farend.Hook
	inboxCA  string
	linkKey  string
	secret   string // signs all webhooks
}

// What becomes of the deliveries of each user; "spoilt" has settings that
// nobody can read.
var fates = []string{"fine", "never", "later", "ended"}

func newMine(t *testing.T) *mine {
	t.Helper()
	m := &mine{t: t, nats: servertest.NATS(t), redisURL: servertest.Redis(t), linkKey: secretsKey, secret: webhook.NewSecret()}
	m.startFarEnds()
	m.seed()
	must(t, "", "setup", "--nats-url", m.nats.URL())
	return m
}

func (m *mine) startFarEnds() {
	t, dir := m.t, m.t.TempDir()
	var err error
	m.inbox, err = farend.NewInboxWith(&m.received, farend.InboxOptions{STARTTLS: true, Username: "relay", Password: passwordCanary})
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.inbox.Close() })
	m.inboxCA = filepath.Join(dir, "inbox-ca.pem")
	require.NoError(t, os.WriteFile(m.inboxCA, m.inbox.RootsPEM(), 0o600))
	m.apns, err = farend.NewAPNs(&m.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.apns.Close() })
	m.keys, err = m.apns.WriteCredentials(dir)
	require.NoError(t, err)
	rooms := map[string]string{}
	for _, user := range fates {
		rooms[user] = roomToken(user)
	}
	m.hipchat, err = farend.NewHipChat(&m.received, rooms)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.hipchat.Close() })
	m.slack, err = farend.NewSlack(&m.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.slack.Close() })
	m.hook, err = farend.NewHook(&m.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.hook.Close() })
	m.script()
}

func roomToken(user string) string { return "canary-of-room-" + user }
func deviceToken(user string) string {
	return strings.Repeat(fmt.Sprintf("%x", "canary"+user), 5)[:64]
}
func hookPathOf(user string) string { return "/" + user + "/" + pathCanary }
func (m *mine) address(user string) string {
	return user + "@canary.example"
}

var slackPaths = map[string]string{"fine": farend.SlackHook, "never": farend.MattermostHook, "later": farend.DiscordHook}

// script makes the far ends refuse, and repeat all that they have been told.
func (m *mine) script() {
	echo := func(status int, known ...string) []farend.HookAnswer {
		all := strings.Join(known, " ")
		said, err := json.Marshal(map[string]any{"error": map[string]any{"code": status, "message": "you said " + all}})
		require.NoError(m.t, err)
		answer := farend.HookAnswer{Status: status, Text: string(said), Header: http.Header{"X-Echo": {all}}}
		var many []farend.HookAnswer
		for range 100 {
			many = append(many, answer)
		}
		return many
	}
	for user, status := range map[string]int{"fine": 200, "never": 400, "later": 503, "ended": 410} {
		m.hook.Answer(hookPathOf(user), echo(status, "POST", hookPathOf(user), "Bearer "+headerCanary)...)
		if user != "fine" {
			m.slack.Answer(slackPaths[user], echo(status, "POST", slackPaths[user])...)
			m.hipchat.Answer(user, echo(map[string]int{"never": 400, "later": 503, "ended": 401}[user], roomToken(user))...)
			reason := map[string]string{"never": "PayloadEmpty", "later": "InternalServerError", "ended": "Unregistered"}[user]
			for range 100 {
				m.apns.Answer(deviceToken(user), farend.APNsAnswer{Status: status, Body: fmt.Sprintf(`{"reason":%q,"timestamp":%d,"echo":%q}`, reason, time.Now().Add(time.Hour).UnixMilli(), "/3/device/"+deviceToken(user))})
			}
		}
	}
	m.inbox.Answer(func(step farend.InboxStep) error {
		user, _, _ := strings.Cut(step.Recipient, "@")
		said := fmt.Sprintf("<%s> %s %s https://tocsin.example/unsubscribe/%s", step.Recipient, passwordCanary,
			base64.StdEncoding.EncodeToString([]byte("\x00relay\x00"+passwordCanary)), pathCanary)
		switch {
		case user == "never" && step.Command == "RCPT":
			return farend.SMTPAnswer(554, [3]int{5, 6, 0}, said)
		case user == "later" && step.Command == "DATA":
			return farend.SMTPAnswer(451, [3]int{4, 3, 0}, said)
		}
		return nil
	})
}

// credentials are what no text may hold but the request that needs it.
func (m *mine) credentials() []string {
	all := []string{passwordCanary, headerCanary, pathCanary, settingCanary, m.secret, secretsKey}
	for _, user := range fates {
		all = append(all, roomToken(user), deviceToken(user))
		if path, ok := slackPaths[user]; ok {
			all = append(all, path)
		}
	}
	key, err := os.ReadFile(m.keys.KeyFile)
	require.NoError(m.t, err)
	for line := range strings.Lines(string(key)) {
		if !strings.HasPrefix(line, "-----") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// settings are a user's, by channel.
func (m *mine) settings(user string) map[string]any {
	version := map[string]string{"fine": "1", "never": "2", "later": "1", "ended": "2"}[user]
	all := map[string]any{
		"email":   map[string]string{"address": m.address(user)},
		"hipchat": map[string]string{"token": roomToken(user), "room": user, "api_version": version},
		"webhook": map[string]any{"url": m.hook.URL() + hookPathOf(user), "secret": m.secret, "headers": map[string]string{"Authorization": "Bearer " + headerCanary}},
	}
	if path, ok := slackPaths[user]; ok {
		all["slack"] = map[string]string{"url": m.slack.URL() + path}
	}
	return all
}

func (m *mine) seed() {
	users := map[string]any{"spoilt": map[string]any{"email": m.address("spoilt")}}
	for _, user := range fates {
		users[user] = map[string]any{
			"email": m.address(user), "channels": m.settings(user),
			"devices": []map[string]string{{"token": deviceToken(user), "name": "phone"}},
		}
	}
	document, err := json.Marshal(map[string]any{"users": users, "accounts": map[string][]string{"acme": append(fates[:len(fates):len(fates)], "spoilt")}})
	require.NoError(m.t, err)
	must(m.t, string(document), "seed", "-", "--redis-url", m.redisURL, "--secrets-key", secretsKey)
	store, client, err := prefsFlags{Redis: redisFlags{RedisURL: m.redisURL}, SecretsKey: secretsKey}.open()
	require.NoError(m.t, err)
	defer client.Close()
	for _, spec := range specs() {
		require.NoError(m.t, store.PutTarget(m.t.Context(), "spoilt", prefs.TargetRef{Channel: spec.Name, ID: channels.MainTarget}, spoilt(spec)))
	}
}

// spoilt has a canary in each field, in a form that fits nowhere.
func spoilt(spec channels.Spec) json.RawMessage {
	fields := map[string]string{}
	for _, f := range spec.Fields {
		fields[f.Name] = "://" + settingCanary + "\x00:"
	}
	settings, _ := json.Marshal(fields) // of texts, which always encode
	return settings
}

func (m *mine) workerArgs() []string {
	return append(m.args("worker"), "--metrics-addr", "off", "--retry-initial", "50ms", "--retry-window", "400ms", "--log-level", "debug")
}

// args are those of a command that knows dependencies and channels.
func (m *mine) args(command string) []string {
	return []string{
		command, "--nats-url", m.nats.URL(), "--redis-url", m.redisURL, "--secrets-key", secretsKey,
		"--smtp-url", "smtp://relay:" + passwordCanary + "@" + m.inbox.Addr() + "?tls=required", "--smtp-ca-file", m.inboxCA,
		"--smtp-from", "tocsin@example.com", "--public-url", "https://tocsin.example", "--link-key", m.linkKey,
		"--apns-url", m.apns.URL(), "--apns-ca-file", m.keys.CAFile, "--apns-key-file", m.keys.KeyFile,
		"--apns-key-id", m.keys.KeyID, "--apns-team-id", m.keys.TeamID, "--apns-topic", m.keys.Topic,
		"--hipchat-url", m.hipchat.URL(), "--slack", "--slack-allow", "127.0.0.0/8", "--webhook-allow", "127.0.0.0/8",
	}
}

// open opens the channels as the worker does.
func (m *mine) open() map[string]channels.Channel {
	loopback := []string{"127.0.0.0/8"}
	all := map[string]channels.Channel{}
	for name, config := range map[string]channels.Config{
		"email": &email.Config{URL: "smtp://relay:" + passwordCanary + "@" + m.inbox.Addr() + "?tls=required", CAFile: m.inboxCA,
			From: "tocsin@example.com", PublicURL: "https://tocsin.example", LinkKey: m.linkKey},
		"ios": &ios.Config{URL: m.apns.URL(), CAFile: m.keys.CAFile, KeyFile: m.keys.KeyFile, KeyID: m.keys.KeyID,
			TeamID: m.keys.TeamID, Topic: m.keys.Topic},
		"hipchat": &hipchat.Config{URL: m.hipchat.URL()},
		"slack":   &slack.Config{Offered: true, Allow: loopback},
		"webhook": &webhook.Config{Timeout: 15 * time.Second, Allow: loopback},
	} {
		channel, err := config.Open()
		require.NoError(m.t, err)
		all[name] = channel
	}
	return all
}

// loaded is the sample of a type with canaries under every name that the
// platform, or anybody, may give a credential.
func loaded(t *testing.T, typeName string) schema.Event {
	t.Helper()
	e, err := schema.Sample(typeName)
	require.NoError(t, err)
	var data map[string]any
	require.NoError(t, json.Unmarshal(e.Data, &data))
	for _, name := range []string{"redeploy_hook", "ssh_private_key", "server_registration_script", "api_key", "token", "password"} {
		data[name] = dataCanary
	}
	data["git"] = "https://deploy:" + dataCanary + "@git.example/r.git"
	data["params"] = map[string]any{"command": "run --password=" + dataCanary, "list": []string{dataCanary}}
	for _, name := range []string{"stack", "deploy_context"} {
		child, _ := data[name].(map[string]any)
		if child == nil {
			child = map[string]any{}
		}
		child["redeploy_hook"], child["access_token"] = dataCanary, dataCanary
		data[name] = child
	}
	e.Link = "https://ada:" + dataCanary + "@platform.example/"
	e.ID, e.Source, e.Account, e.Time = typeName, "canaries", "acme", time.Now()
	e.Data, err = json.Marshal(data)
	require.NoError(t, err)
	return e
}
