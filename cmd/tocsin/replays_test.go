package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/replay"
)

func replaysOf(t *testing.T, nats string) []replay.Job {
	t.Helper()
	var jobs []replay.Job
	require.NoError(t, json.Unmarshal([]byte(must(t, "", "replays", "ls", "-o", "json", "--nats-url", nats)), &jobs))
	return jobs
}

func TestReplayIsPlannedRunAndEnded(t *testing.T) {
	t.Parallel()
	nats := graveyard(t, letter(t, "webhook", "job.fail", "404"), letter(t, "webhook", "job.fail", "503"), letter(t, "webhook", "job.fail", "404"))
	plan := must(t, "", "dead", "replay", "--reason", "404", "--plan", "--unchecked", "--nats-url", nats)
	require.Regexp(t, `(?m)^2 +webhook .*404$`, plan)
	require.Regexp(t, `2 dead letters, dead from`, plan)
	jobs := replaysOf(t, nats)
	require.Len(t, jobs, 1)
	require.Equal(t, replay.Planned, jobs[0].State)
	id := jobs[0].ID
	require.Contains(t, plan, "tocsin replays run "+id)

	code, _, stderr := tocsin(t, "", "replays", "pause", id, "--nats-url", nats)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "has not begun")
	require.Contains(t, must(t, "", "replays", "run", id, "--unchecked", "--nats-url", nats), "replayed 2 dead letters")
	require.Regexp(t, `done +letters +2 +2 +0 +0 +200/s`, must(t, "", "replays", "ls", "--nats-url", nats))
	require.Contains(t, must(t, "", "replays", "show", id, "--nats-url", nats), id+": replayed 2 dead letters")
	code, _, stderr = tocsin(t, "", "replays", "run", id, "--unchecked", "--nats-url", nats)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "the replay has ended: it is done")
	acts := must(t, "", "audit", "--nats-url", nats)
	require.Regexp(t, `(?s)replay.run +replay `+id+` +failed.*replay.run +replay `+id+` +done.*replay.run +replay `+id+` +begun.*`+
		`replay.pause +replay `+id+` +failed.*replay.plan +dead letters +done +reason 404`, acts)
	require.Contains(t, acts, whoever())
	list := must(t, "", "dead", "ls", "--nats-url", nats)
	require.Contains(t, list, "503")
	require.NotContains(t, list, "404")
}

func TestReplayThatIsNotWantedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	nats := graveyard(t, letter(t, "webhook", "job.fail", "404"))
	code, _, stderr := tocsin(t, "n\n", "dead", "replay", "--all", "--unchecked", "--nats-url", nats)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "nothing was replayed")
	require.Empty(t, replaysOf(t, nats))
	for _, command := range []string{"show", "run", "pause", "cancel"} {
		code, _, stderr = tocsin(t, "", "replays", command, "unknown", "--unchecked", "--nats-url", nats)
		require.Equal(t, exitFailed, code, command)
		require.Contains(t, stderr, "no such job: unknown", command)
	}
	code, _, stderr = tocsin(t, "", "dead", "replay", "--all", "--nats-url", nats, "--redis-url", "redis://127.0.0.1:1/0")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "--unchecked")
}
