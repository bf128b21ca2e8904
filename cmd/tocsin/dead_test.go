package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// hostile holds what a terminal would obey: escape sequences in one byte and
// in two, a title, a bell, a line break, and text that runs backwards.
const hostile = "\x1b[31mred\x1b]0;title\x07 \u009b2J \u202egnp.exe\u2066\r"

// graveyard is a NATS that holds these dead letters.
func graveyard(t *testing.T, letters ...map[string][]string) (natsURL string) {
	t.Helper()
	server := servertest.NATS(t)
	must(t, "", "setup", "--nats-url", server.URL())
	js := servertest.JetStream(t, server.URL())
	for _, header := range letters {
		servertest.PublishOn(t, js, header["place"][0], header, []byte("{\"name\":\""+hostile+"\"}\n\xff"))
	}
	return server.URL()
}

// letter is the headers of a dead letter, as this version writes them.
func letter(t *testing.T, channel, typeName, status string) map[string][]string {
	t.Helper()
	sample, err := schema.Sample(typeName)
	require.NoError(t, err)
	sample.ID, sample.Source, sample.Account, sample.Time = "e1", "test", "acme", time.Now()
	header := sample.Header()
	for name, value := range map[string]string{
		"Delivery": "x", "User": "ada", "Channel": channel, "Target": "t1", "Attempts": "1", "Last-Status": status,
		"Dead-Cause": "permanent", "Dead-Reason": "answered " + status,
	} {
		header["Tocsin-"+name] = []string{value}
	}
	header["place"] = []string{schema.DeadSubject(channel, typeName)}
	return header
}

// invalid is the headers of an event that did not validate.
func invalid(reason string) map[string][]string {
	return map[string][]string{
		"place": {"tocsin.dead.event.unknown"}, "Tocsin-Dead-Cause": {"invalid"}, "Tocsin-Dead-Reason": {reason},
	}
}

func TestNothingOfAStrangerReachesTheTerminalRaw(t *testing.T) {
	t.Parallel()
	header := invalid(strings.TrimSuffix(hostile, "\r"))
	header["X-Hostile"] = []string{strings.TrimSuffix(hostile, "\r")}
	nats := graveyard(t, header)
	for _, args := range [][]string{
		{"dead", "ls"}, {"dead", "ls", "-o", "json"}, {"dead", "show", "1"}, {"dead", "show", "1", "-o", "json"},
		{"dead", "stats"}, {"dead", "stats", "-o", "json"}, {"dead", "replay", "1"}, {"dead", "discard", "--all"},
	} {
		_, stdout, stderr := tocsin(t, "n\n", append(args, "--nats-url", nats)...)
		require.Contains(t, stdout, "red", "%v", args)
		for _, r := range stdout + stderr {
			require.True(t, r == '\n' || r == '\t' || unicode.IsPrint(r), "%v writes %q in %q", args, r, stdout+stderr)
		}
	}
	require.Contains(t, must(t, "", "dead", "show", "1", "--nats-url", nats), `\x1b[31mred\x1b]0;title\a \u009b2J \u202egnp.exe`)
	require.Contains(t, must(t, "", "dead", "show", "1", "--body", "--nats-url", nats), hostile, "byte for byte, where it is no terminal")
	var shown letterView
	require.NoError(t, json.Unmarshal([]byte(must(t, "", "dead", "show", "1", "-o", "json", "--nats-url", nats)), &shown))
	require.Equal(t, strings.TrimSuffix(hostile, "\r"), shown.Reason, "escaped, and nothing lost")
}

func TestStatsCountKindsOfDeadLetters(t *testing.T) {
	t.Parallel()
	nats := graveyard(t,
		letter(t, "webhook", "job.fail", "404"), letter(t, "webhook", "job.fail", "404"), letter(t, "webhook", "job.fail", "410"),
		letter(t, "hipchat", "job.fail", "404"),
		invalid("body: is not JSON at byte 1"), invalid("body: is not JSON at byte 99"), invalid("body: is not JSON at byte 7"),
	)
	type kind struct {
		Channel, Type, Answer string
		Count                 int
	}
	var counts []kind
	require.NoError(t, json.Unmarshal([]byte(must(t, "", "dead", "stats", "-o", "json", "--nats-url", nats)), &counts))
	require.Equal(t, []kind{
		{"event", "unknown", "body: is not JSON at byte #", 3},
		{"webhook", "job.fail", "404", 2},
		{"hipchat", "job.fail", "404", 1},
		{"webhook", "job.fail", "410", 1},
	}, counts)
	text := must(t, "", "dead", "stats", "--channel", "webhook", "--nats-url", nats)
	require.Regexp(t, `(?m)^2 +webhook +job\.fail +permanent .* 404$`, text)
	require.Regexp(t, `(?m)^3 +in all$`, text)
}

func TestDiscardShowsAsksAndRemovesWhatMatches(t *testing.T) {
	t.Parallel()
	var letters []map[string][]string
	for i := range previewed + 5 {
		letters = append(letters, letter(t, "webhook", "job.fail", fmt.Sprint(400+i%2)))
	}
	nats := graveyard(t, append(letters, letter(t, "email", "job.fail", "550"))...)

	for name, c := range map[string]struct {
		answer string
		args   []string
	}{
		"a no":             {"n\n", []string{"--channel", "webhook"}},
		"nothing":          {"\n", []string{"--channel", "webhook"}},
		"the end of input": {"", []string{"--channel", "webhook"}},
	} {
		code, stdout, stderr := tocsin(t, c.answer, append([]string{"dead", "discard", "--nats-url", nats}, c.args...)...)
		require.Equal(t, exitFailed, code, name)
		require.Contains(t, stdout, "… and 5 more\nDiscard 25 dead letters? [y/N]", name)
		require.Contains(t, stderr, "nothing was discarded", name)
	}
	require.Contains(t, must(t, "y\n", "dead", "discard", "--reason", "401", "--nats-url", nats), "discarded 12 dead letters")
	require.Contains(t, must(t, "", "dead", "discard", "--channel", "webhook", "--yes", "--nats-url", nats), "discarded 13 dead letters")
	require.Contains(t, must(t, "", "dead", "discard", "--channel", "webhook", "--yes", "--nats-url", nats), "nothing was discarded")
	list := must(t, "", "dead", "ls", "--nats-url", nats)
	require.Contains(t, list, "550")
	require.Equal(t, 2, strings.Count(list, "\n"), "the head and the one that is left")
}

func TestListIsReadableInATerminalOf120Columns(t *testing.T) {
	t.Parallel()
	long := letter(t, "webhook", "stack.redeploy.hook.fail", "404")
	long["ce-account"] = []string{strings.Repeat("a", 64)}
	long["Tocsin-User"] = []string{strings.Repeat("u", 64)}
	long["Tocsin-Dead-Reason"] = []string{strings.Repeat("very long ", 50)}
	usual := letter(t, "webhook", "stack.redeploy.fail", "404")
	for line := range strings.Lines(must(t, "", "dead", "ls", "--nats-url", graveyard(t, usual))) {
		require.LessOrEqual(t, len([]rune(line)), 120)
	}
	for line := range strings.Lines(must(t, "", "dead", "ls", "--nats-url", graveyard(t, long))) {
		require.LessOrEqual(t, len([]rune(line)), 200, "bounded, whatever is in it")
	}
}

func TestMomentsAreReadAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2026-03-01T12:30:00Z":      time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
		"2026-03-01T12:30:00+02:00": time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC),
		"2026-03-01":                time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"90m":                       time.Now().Add(-90 * time.Minute),
		"7d":                        time.Now().AddDate(0, 0, -7),
	} {
		var m moment
		require.NoError(t, m.UnmarshalText([]byte(text)))
		require.WithinDuration(t, want, m.Time, 2*time.Hour, "%s", text) // daylight saving may begin in a week
	}
	for _, text := range []string{"", "yesterday", "-1h", "-2d", "d", "2026-13-01"} {
		require.ErrorContains(t, new(moment).UnmarshalText([]byte(text)), "7d", "%q", text)
	}
}

func TestALetterThatNobodyCanReadIsListedByWhereItLies(t *testing.T) {
	t.Parallel()
	v := viewOf(queue.DeadLetter{Subject: "tocsin.dead.webhook.stack.redeploy.ok"})
	require.Equal(t, "webhook", v.Channel)
	require.Equal(t, "stack.redeploy.ok", v.Type)
}

func TestOnlyATerminalIsTakenForOne(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	require.False(t, isTerminal(file))
	require.False(t, isTerminal(io.Discard))
}
