package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
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
	certified := strings.Replace(withTLS(t).URL(), "nats://", "tls://", 1)
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
		"unknown authority":      {[]string{"--nats-url", certified}, "NATS", "TOCSIN_NATS_CA"},
		"an old server":          {[]string{"--nats-url", oldNATS(t)}, "NATS", "runs version 2.10.29, and Tocsin needs 2.11 or later"},
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

// withTLS is a server whose certificate no system knows.
func withTLS(t *testing.T) *servertest.NATSServer {
	t.Helper()
	cert, key := servertest.NewAuthority(t).Issue("nats")
	return servertest.NATS(t, func(o *server.Options) {
		config, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: cert, KeyFile: key})
		require.NoError(t, err)
		o.TLS, o.TLSTimeout, o.TLSConfig = true, 5, config
	})
}

// oldNATS greets as a server of an older version does, and answers pings: more
// than that nobody asks of it.
func oldNATS(t *testing.T) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go greetAsOld(conn)
		}
	}()
	return "nats://" + listener.Addr().String()
}

func greetAsOld(conn net.Conn) {
	defer conn.Close()
	_, _ = conn.Write([]byte(`INFO {"server_id":"OLD","version":"2.10.29","proto":1,"headers":true,"jetstream":true,"max_payload":1048576}` + "\r\n"))
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if lines.Text() == "PING" {
			_, _ = conn.Write([]byte("PONG\r\n"))
		}
	}
}

func TestDoctorFindsWhatIsWrongWithRedis(t *testing.T) {
	t.Parallel()
	nats, redis := sound(t)
	locked := servertest.StartRedis(t, "--requirepass", "right")
	full := servertest.StartRedis(t, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction").URL()
	replica := servertest.StartRedis(t, "--replicaof", "127.0.0.1 1").URL()
	evicting := servertest.StartRedis(t, "--maxmemory-policy", "allkeys-lru").URL()
	certified := servertest.StartRedisTLS(t, servertest.NewAuthority(t)).URL()
	for name, c := range map[string]struct {
		url, check, state, says string
	}{
		"unreachable":        {"redis://127.0.0.1:1", "Redis", stateWrong, "is the server up?"},
		"wrong password":     {strings.Replace(locked.URL(), "redis://", "redis://:wrong@", 1), "Redis", stateWrong, "refuses user and password"},
		"no password":        {locked.URL(), "Redis", stateWrong, "refuses user and password"},
		"TLS that it lacks":  {strings.Replace(redis, "redis://", "rediss://", 1), "Redis", stateWrong, "TLS"},
		"unknown authority":  {certified, "Redis", stateWrong, "TOCSIN_REDIS_CA"},
		"not a URL":          {"http://127.0.0.1", "TOCSIN_REDIS_URL", stateWrong, "redis://"},
		"nothing is kept":    {servertest.Redis(t), "Redis persistence", stateWarning, "set appendonly yes"},
		"it evicts":          {evicting, "Redis eviction", stateWrong, "set noeviction"},
		"memory is used up":  {full, "Redis memory", stateWrong, "raise maxmemory"},
		"a replica is named": {replica, "Redis role", stateWrong, "name the master"},
		"nothing is written": {unwritable(t), "Redis persistence", stateWrong, "cannot be written: is its disk full?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			finds(t, c.check, c.state, c.says, "--nats-url", nats, "--redis-url", c.url, "--secrets-key", secretsKey)
		})
	}
}

// unwritable is a Redis that has failed to write its append-only file anew.
func unwritable(t *testing.T) (url string) {
	t.Helper()
	url = servertest.StartRedis(t, "--appendonly", "yes").URL()
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	folder := client.ConfigGet(t.Context(), "dir").Val()["dir"]
	require.NotEmpty(t, folder)
	files := filepath.Join(folder, "appendonlydir") // Redis' default
	require.NoError(t, os.RemoveAll(files))
	require.NoError(t, os.WriteFile(files, nil, 0o600))
	require.Error(t, client.BgRewriteAOF(t.Context()).Err())
	return url
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
