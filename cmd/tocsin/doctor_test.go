package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/farend"
	"tocsin/fleet"
	"tocsin/queue"
	"tocsin/servertest"
)

// diagnose runs doctor and gives its findings.
func diagnose(t *testing.T, args ...string) (findings []finding, code int) {
	t.Helper()
	code, said, stderr := tocsin(t, "", append([]string{"doctor", "-o", "json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(said), &findings), "%s%s", said, stderr)
	return findings, code
}

// finds says that doctor finds one thing, and what it says of it.
func finds(t *testing.T, check, state, says string, args ...string) {
	t.Helper()
	findings, code := diagnose(t, args...)
	for _, f := range findings {
		if f.Check == check && strings.Contains(f.Detail, says) {
			require.Equal(t, state, f.State, f.Detail)
			if state == stateWrong {
				require.Equal(t, exitFailed, code)
			}
			return
		}
	}
	require.Fail(t, "it is not found", "%s: %q in %v", check, says, findings)
}

// sound is a pair of servers that nothing is wrong with.
func sound(t *testing.T) (nats, redis string) {
	return servertest.NATS(t).URL(), servertest.StartRedis(t, "--appendonly", "yes").URL()
}

func TestDoctorFindsNothingWrongWithASoundInstallation(t *testing.T) {
	t.Parallel()
	nats, redis := sound(t)
	findings, code := diagnose(t, "--nats-url", nats, "--redis-url", redis, "--secrets-key", secretsKey,
		"--public-url", "https://notify.example.com", "--link-key", linkKey)
	require.Equal(t, exitDone, code)
	for _, f := range findings {
		if f.Check != "fleet" { // nobody works yet
			require.Equal(t, stateOK, f.State, "%s: %s", f.Check, f.Detail)
		}
	}
}

func TestDoctorFindsWhatIsWrongWithNATS(t *testing.T) {
	t.Parallel()
	nats, redis := sound(t)
	host := strings.TrimPrefix(nats, "nats://")
	locked := strings.TrimPrefix(servertest.NATS(t, func(o *server.Options) { o.Username, o.Password = "worker", "right" }).URL(), "nats://")
	streamless := servertest.NATS(t, func(o *server.Options) { o.JetStream = false }).URL()
	small := servertest.NATS(t, func(o *server.Options) { o.MaxPayload = 32 << 10 }).URL()
	squatted, forgetful := servertest.NATS(t).URL(), servertest.NATS(t).URL()
	_, err := servertest.JetStream(t, squatted).CreateStream(t.Context(), jetstream.StreamConfig{
		Name: queue.RetryStream, Subjects: []string{"tocsin.retries.>"}, Retention: jetstream.LimitsPolicy,
	})
	require.NoError(t, err)
	_, err = servertest.JetStream(t, forgetful).CreateStream(t.Context(), jetstream.StreamConfig{
		Name: queue.DeliveryStream, Subjects: []string{"tocsin.deliveries.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardOld, MaxMsgs: 1000,
	})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		args        []string
		check, says string
	}{
		"unreachable":            {[]string{"--nats-url", "nats://127.0.0.1:1"}, "NATS", "is the server up?"},
		"wrong password":         {[]string{"--nats-url", "nats://worker:wrong@" + locked}, "NATS", "TOCSIN_NATS_CREDS"},
		"no credentials file":    {[]string{"--nats-url", nats, "--nats-creds", filepath.Join(t.TempDir(), "none")}, "NATS", "TOCSIN_NATS_CREDS"},
		"TLS that it lacks":      {[]string{"--nats-url", "tls://" + host}, "NATS", "tls://"},
		"JetStream is off":       {[]string{"--nats-url", streamless}, "NATS", "JetStream is switched off"},
		"a stream of others":     {[]string{"--nats-url", squatted}, "NATS", queue.RetryStream},
		"limits that lose":       {[]string{"--nats-url", forgetful}, "NATS limits", "set its discard policy to new"},
		"messages are too small": {[]string{"--nats-url", small}, "NATS limits", "max_payload"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			finds(t, c.check, stateWrong, c.says, append([]string{"--redis-url", redis, "--secrets-key", secretsKey}, c.args...)...)
		})
	}
}

func TestDoctorFindsWhatIsWrongWithRedis(t *testing.T) {
	t.Parallel()
	nats, redis := sound(t)
	locked := servertest.StartRedis(t, "--requirepass", "right")
	full := servertest.StartRedis(t, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction").URL()
	replica := servertest.StartRedis(t, "--replicaof", "127.0.0.1 1").URL()
	evicting := servertest.StartRedis(t, "--maxmemory-policy", "allkeys-lru").URL()
	for name, c := range map[string]struct {
		url, check, state, says string
	}{
		"unreachable":        {"redis://127.0.0.1:1", "Redis", stateWrong, "is the server up?"},
		"wrong password":     {strings.Replace(locked.URL(), "redis://", "redis://:wrong@", 1), "Redis", stateWrong, "refuses user and password"},
		"no password":        {locked.URL(), "Redis", stateWrong, "refuses user and password"},
		"TLS that it lacks":  {strings.Replace(redis, "redis://", "rediss://", 1), "Redis", stateWrong, "TLS"},
		"not a URL":          {"http://127.0.0.1", "TOCSIN_REDIS_URL", stateWrong, "redis://"},
		"nothing is kept":    {servertest.Redis(t), "Redis persistence", stateWarning, "set appendonly yes"},
		"it evicts":          {evicting, "Redis eviction", stateWrong, "set noeviction"},
		"memory is used up":  {full, "Redis memory", stateWrong, "raise maxmemory"},
		"a replica is named": {replica, "Redis role", stateWrong, "name the master"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			finds(t, c.check, c.state, c.says, "--nats-url", nats, "--redis-url", c.url, "--secrets-key", secretsKey)
		})
	}
}

func TestDoctorFindsAKeyThatDoesNotOpenWhatIsSaved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	servers := []string{"--nats-url", s.nats.URL(), "--redis-url", s.redisURL}
	const another = "YW5vdGhlci1rZXktb2YtMzItYnl0ZXMtYWx0b2dldGg="
	finds(t, "TOCSIN_SECRETS_KEY", stateWrong, "", servers...)
	finds(t, "TOCSIN_SECRETS_KEY", stateWrong, "", append(servers, "--secrets-key", "c2hvcnQ=")...)
	finds(t, "saved credentials", stateWrong, "TOCSIN_SECRETS_KEY", append(servers, "--secrets-key", another)...)
	finds(t, "saved credentials", stateOK, "can be opened", append(servers, "--secrets-key", another+","+secretsKey)...)
}

func TestDoctorFindsWhatIsWrongWithChannels(t *testing.T) {
	t.Parallel()
	nats, redis := sound(t)
	var received farend.Log
	inbox, err := farend.NewInbox(&received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = inbox.Close() })
	inbox.Answer(func(step farend.InboxStep) error {
		if step.Command == "MAIL" {
			return &gosmtp.SMTPError{Code: 553, Message: "not your domain"}
		}
		return nil
	})
	apns, err := farend.NewAPNs(&received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = apns.Close() })
	credentials, err := apns.WriteCredentials(t.TempDir())
	require.NoError(t, err)
	unreadable := filepath.Join(t.TempDir(), "key.p8")
	require.NoError(t, os.WriteFile(unreadable, []byte("no key"), 0o600))
	push := func(key, topic string) []string {
		return []string{"--apns-key-file", key, "--apns-key-id", credentials.KeyID, "--apns-team-id", credentials.TeamID,
			"--apns-topic", topic, "--apns-url", apns.URL(), "--apns-ca-file", credentials.CAFile}
	}
	mail := func(url string) []string { return []string{"--smtp-url", url, "--smtp-from", "tocsin@example.com"} }
	for name, c := range map[string]struct {
		args               []string
		check, state, says string
	}{
		"unknown channel":      {[]string{"--offer", "pigeon"}, "TOCSIN_CHANNELS", stateWrong, "pigeon"},
		"offered, not set up":  {[]string{"--offer", "email"}, "channel email", stateWarning, "not configured here"},
		"mail server is away":  {mail("smtp://127.0.0.1:1"), "channel email", stateWrong, "connect to the mail server"},
		"sender is refused":    {mail("smtp://" + inbox.Addr()), "channel email", stateWrong, "TOCSIN_SMTP_FROM"},
		"no sender":            {mail("smtp://" + inbox.Addr())[:2], "channel email", stateWrong, "TOCSIN_SMTP_FROM"},
		"push key unreadable":  {push(unreadable, credentials.Topic), "channel ios", stateWrong, "TOCSIN_APNS_KEY_FILE"},
		"topic of another app": {push(credentials.KeyFile, "com.example.another"), "channel ios", stateWrong, "TOCSIN_APNS_TOPIC"},
		"link without a key":   {[]string{"--public-url", "https://notify.example.com"}, "links", stateWrong, "openssl rand"},
		"key without a link":   {[]string{"--link-key", linkKey}, "links", stateWrong, "TOCSIN_PUBLIC_URL"},
		"links in the open":    {[]string{"--link-key", linkKey, "--public-url", "http://notify.example.com"}, "links", stateWarning, "https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			finds(t, c.check, c.state, c.says, append([]string{"--nats-url", nats, "--redis-url", redis, "--secrets-key", secretsKey}, c.args...)...)
		})
	}
}

func TestDoctorFindsClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	require.Equal(t, stateOK, checkClock("NATS", 2*time.Second).State)
	require.Contains(t, checkClock("NATS", time.Minute).Detail, "1m0s ahead of")
	require.Contains(t, checkClock("Redis", -time.Minute).Detail, "1m0s behind")
	require.Equal(t, stateWrong, checkClock("Redis", -time.Minute).State)
}

func TestDoctorFindsWhatNobodyInTheFleetDoes(t *testing.T) {
	t.Parallel()
	member := func(process, version string, state fleet.State, skew time.Duration, parts ...string) fleet.Member {
		channels := map[string]fleet.Channel{}
		for _, part := range parts {
			channels[part] = fleet.Channel{Slots: 1}
		}
		return fleet.Member{Report: fleet.Report{
			Self: fleet.Self{Process: process, Version: version, Role: fleet.RoleWorker}, State: state, Skew: skew, Channels: channels,
		}}
	}
	all := []string{fleet.Routing, "webhook"}
	for name, c := range map[string]struct {
		members []fleet.Member
		says    string
	}{
		"nobody works":         {nil, "start tocsin worker"},
		"all is done":          {[]fleet.Member{member("a", "1", fleet.Working, 0, all...)}, "1 worker, and every part"},
		"nobody routes":        {[]fleet.Member{member("a", "1", fleet.Working, 0, "webhook")}, `no worker does "route"`},
		"one is silent":        {[]fleet.Member{member("a", "1", fleet.Working, 0, all...), member("b", "1", fleet.Silent, 0, all...)}, "b has been silent"},
		"a clock is wrong":     {[]fleet.Member{member("a", "1", fleet.Working, -time.Minute, all...)}, "the clock of a is 1m0s off"},
		"an upgrade half-done": {[]fleet.Member{member("a", "1", fleet.Working, 0, all...), member("b", "2", fleet.Working, 0, all...)}, "versions 1, 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := fleetFindings(fleet.Snapshot{Members: c.members}, all)
			require.Len(t, findings, 1)
			require.Contains(t, findings[0].Detail, c.says)
		})
	}
}

func TestDoctorSaysThatAChannelIsPaused(t *testing.T) {
	t.Parallel()
	nats, redis := sound(t)
	must(t, "", "pause", "webhook", "--by", "ada", "--nats-url", nats)
	finds(t, "channel webhook", stateWarning, "by ada", "--nats-url", nats, "--redis-url", redis, "--secrets-key", secretsKey)
}
