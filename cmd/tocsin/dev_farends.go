package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/channels/webhook"
	"tocsin/console/ops"
	"tocsin/dev"
	"tocsin/farend"
)

// devParts is what `tocsin dev` runs beside the worker.
type devParts struct {
	received farend.Log
	inbox    *farend.Inbox
	apns     *farend.APNs
	apnsKeys farend.APNsCredentials
	hipchat  *farend.HipChat
	hook     *farend.Hook

	natsURL    string
	redisURL   string
	publicURL  string
	secretsKey string
	linkKey    string
	apiKey     string
	opsKey     string
	hookSecret string

	closers []func()
}

func (d *devParts) onClose(f func()) { d.closers = append(d.closers, f) }

func (d *devParts) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

// The targets of the sample user. They are the same at every start, so that a
// store that outlives the process does not fill up.
const (
	devDevice    = "7b0f3a9c5d1e4826b7f0c3d29a5e816453d2f7a90c1b4e68d5a3f2907c6b1e84"
	devRoom      = "Deployments"
	devRoomToken = "dev-room-token"
	devHookPath  = "/tocsin"
)

func (d *devParts) startFarEnds(data string) (err error) {
	if d.inbox, err = farend.NewInbox(&d.received); err != nil {
		return err
	}
	d.onClose(func() { _ = d.inbox.Close() })
	if d.apns, err = farend.NewAPNs(&d.received); err != nil {
		return err
	}
	d.onClose(func() { _ = d.apns.Close() })
	if d.apnsKeys, err = d.apns.WriteCredentials(data); err != nil {
		return err
	}
	if d.hipchat, err = farend.NewHipChat(&d.received, map[string]string{devRoom: devRoomToken}); err != nil {
		return err
	}
	d.onClose(func() { _ = d.hipchat.Close() })
	if d.hook, err = farend.NewHook(&d.received); err != nil {
		return err
	}
	d.onClose(func() { _ = d.hook.Close() })
	d.hookSecret = webhook.NewSecret()
	d.hook.Verify(devHookPath, d.hookSecret)
	return nil
}

// workerArgs is the command line of a worker that uses the local far ends.
func (d *devParts) workerArgs(logs logFlags) []string {
	return append([]string{"worker"}, d.sharedArgs(logs)...)
}

// webArgs is that of a web that does.
func (d *devParts) webArgs(logs logFlags) []string {
	return append([]string{"web", "--api-keys", d.apiKey, "--ops-keys", "operate:dev:" + d.opsKey}, d.sharedArgs(logs)...)
}

func (d *devParts) sharedArgs(logs logFlags) []string {
	return []string{
		"--nats-url", d.natsURL, "--redis-url", d.redisURL, "--secrets-key", d.secretsKey,
		"--smtp-url", "smtp://" + d.inbox.Addr() + "?tls=none", "--smtp-from", "Tocsin <tocsin@example.com>",
		"--public-url", d.publicURL, "--link-key", d.linkKey,
		"--apns-url", d.apns.URL(), "--apns-ca-file", d.apnsKeys.CAFile,
		"--apns-cert-file=", "--apns-key-file", d.apnsKeys.KeyFile, "--apns-key-id", d.apnsKeys.KeyID,
		"--apns-team-id", d.apnsKeys.TeamID, "--apns-topic", d.apnsKeys.Topic,
		"--hipchat-url", d.hipchat.URL(),
		"--webhook-allow", "127.0.0.0/8",
		"--log-level", logs.LogLevel, "--log-format", logs.LogFormat,
	}
}

// saveSample puts the sample account into the preference store.
func (d *devParts) saveSample(ctx context.Context) error {
	var said strings.Builder
	args := []string{"seed", "-", "--redis-url", d.redisURL, "--secrets-key", d.secretsKey}
	if run(ctx, args, stdio{in: d.seed(), out: io.Discard, err: &said}) != exitDone {
		return fmt.Errorf("save the sample account: %s", strings.TrimSpace(strings.TrimPrefix(said.String(), "tocsin: ")))
	}
	return nil
}

// front is what `tocsin web` answers, and the page of what arrived.
func (d *devParts) front(logs logFlags, log *zap.Logger, publish func(ctx context.Context, typeName string) error) (*front, error) {
	commands := newCLI()
	parser, err := newParser(commands)
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(d.webArgs(logs)); err != nil {
		return nil, err
	}
	f, err := commands.Web.front(log)
	if err != nil {
		return nil, err
	}
	f.mux.Handle("/", dev.NewPage(&d.received, publish, dev.About{
		Account: devAccount, User: devUser, NATSURL: d.natsURL, RedisURL: d.redisURL,
		PublishLine: d.publishLine(), Version: version(),
		Settings: func() string { return f.links.Settings(devUser, time.Now().Add(time.Minute)) },
	}))
	return f, nil
}

// opsLine is where the ops console is, and its key.
func (d *devParts) opsLine() string { return d.publicURL + ops.Path + "   key " + d.opsKey }

// callLine is a command line that calls the API of this installation.
func (d *devParts) callLine() string {
	return "curl -H 'Authorization: Bearer " + d.apiKey + "' " + d.publicURL + "/v1/users/" + devUser + "/preferences"
}

// seed is the sample account: one user, with every channel set up.
func (d *devParts) seed() io.Reader {
	document, err := json.Marshal(map[string]any{
		"users": map[string]any{devUser: map[string]any{
			"email": "ada@example.com", "name": "Ada", "time_zone": "Europe/London",
			"channels": map[string]any{
				"hipchat": map[string]string{"token": devRoomToken, "room": devRoom},
				"webhook": map[string]string{"url": d.hook.URL() + devHookPath, "secret": d.hookSecret},
			},
			"devices":     []map[string]string{{"token": devDevice, "name": "Ada's iPhone"}},
			"preferences": d.everything(),
		}},
		"accounts": map[string][]string{devAccount: {devUser}},
	})
	if err != nil {
		panic(fmt.Sprintf("the sample account is not JSON: %v", err))
	}
	return strings.NewReader(string(document))
}

// everything switches on what is off by default, so that each of the sample
// events shows in each of the channels.
func (d *devParts) everything() map[string]map[string]bool {
	return map[string]map[string]bool{
		"stack.deploy.started": {"email": true, "ios": true, "hipchat": true, "webhook": true},
	}
}

// publishLine is a command line that publishes to this installation.
func (d *devParts) publishLine() string {
	line := os.Args[0] + " publish stack.redeploy.ok --account " + devAccount + " --sample"
	if d.natsURL != "nats://127.0.0.1:4222" {
		line += " --nats-url " + d.natsURL
	}
	return line
}
