package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/bench"
)

// The smallest form of the smallest scenario: every process is the real one, and
// what it counts is exact. How long it takes is not asked.
func TestBenchCountsWhatArrives(t *testing.T) {
	t.Parallel()
	path, err := program()
	require.NoError(t, err)
	profiles := t.TempDir()
	out, err := exec.CommandContext(t.Context(), path,
		"bench", "run", "one-to-one", "--tiny", "--runs", "2", "-o", "json", "--profile", profiles).Output()
	require.NoError(t, err)
	var report bench.Report
	require.NoError(t, json.Unmarshal(out, &report))
	require.Len(t, report.Results, 1)
	values := report.Results[0].Values
	require.Equal(t, []float64{200, 200}, values["delivered"])
	require.Equal(t, []float64{0, 0}, values["duplicates"])
	for _, figure := range []string{"throughput", "memory worker", "memory nats", "memory redis"} {
		require.Len(t, values[figure], 2, figure)
		require.Positive(t, values[figure][1], figure)
	}
	for _, name := range []string{"worker.prof", "nats.prof"} {
		require.FileExists(t, filepath.Join(profiles, name))
	}
}

func TestBenchListsItsScenarios(t *testing.T) {
	t.Parallel()
	var listed []struct{ Name, About string }
	require.NoError(t, json.Unmarshal([]byte(must(t, "", "bench", "ls", "-o", "json")), &listed))
	require.Equal(t, "one-to-one", listed[0].Name)
	for _, s := range listed {
		require.NotEmpty(t, s.About)
		require.Contains(t, must(t, "", "bench", "ls"), s.Name)
	}
}

func TestBenchOfAnUnknownScenarioSaysWhereToLook(t *testing.T) {
	t.Parallel()
	code, _, said := tocsin(t, "", "bench", "run", "one-to-none")
	require.Equal(t, exitUsage, code)
	require.Contains(t, said, "tocsin bench ls")
}

func TestBenchOfAPeerThatIsNotThereSaysHowToGetIt(t *testing.T) {
	t.Parallel()
	path, err := program()
	require.NoError(t, err)
	run := exec.CommandContext(t.Context(), path, "bench", "run", "gorush")
	run.Env = []string{"PATH="}
	said, err := run.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "make bench-peers")
	require.Contains(t, must(t, "", "bench", "ls"), "gorush")
}
