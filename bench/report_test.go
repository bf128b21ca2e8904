package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCompareTellsChangeFromNoise(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		figure        string
		before, after []float64
		want          string
	}{
		"ranges overlap":        {"cpu", []float64{0.30, 0.31, 0.35}, []float64{0.34, 0.36, 0.40}, "~"},
		"cheaper":               {"cpu", []float64{0.40, 0.41, 0.42}, []float64{0.20, 0.205, 0.21}, "-50 % better"},
		"dearer":                {"cpu worker", []float64{0.1, 0.1, 0.1}, []float64{0.2, 0.2, 0.2}, "+100 % WORSE"},
		"faster":                {"throughput", []float64{1000, 1010, 1020}, []float64{2020, 2020, 2020}, "+100 % better"},
		"slower":                {"share throughput", []float64{1, 1, 1}, []float64{0.5, 0.5, 0.5}, "-50 % WORSE"},
		"nothing to compare to": {"duplicates", []float64{0, 0, 0}, []float64{1, 1, 1}, "~"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, change(c.figure, c.before, c.after), c.want)
		})
	}
}

func TestReportSaysWhatIsMissed(t *testing.T) {
	t.Parallel()
	report := Report{Results: []Result{{
		Scenario: "sample", About: "a sample",
		Targets: map[string]float64{"throughput": 5000, "cpu": 0.3},
		Values: map[string][]float64{
			"throughput": {4000, 6000, 5500}, "cpu": {0.2, 0.4, 0.5}, "memory worker": {41.25, 40, 42},
		},
	}}}
	var out strings.Builder
	require.NoError(t, report.Write(&out))
	require.Regexp(t, `throughput +deliveries/s +5500 +\(4000 to 6000, 3 runs\) +ok: at least 5000`, out.String())
	require.Regexp(t, `cpu +CPU-s per 1,000 +0\.400 .*MISSED: at most 0\.300`, out.String())
	require.Regexp(t, `memory worker +MB at most +41\.2`, out.String())
}

func TestEveryFigureWithATargetHasAUnit(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range Scenarios() {
		require.False(t, seen[s.Name], "%s twice", s.Name)
		seen[s.Name] = true
		for figure := range s.Targets {
			require.NotEmpty(t, unitOf(figure).Text, "%s of %s", figure, s.Name)
		}
	}
}

func TestQuantileIsByNearestRank(t *testing.T) {
	t.Parallel()
	var latencies []time.Duration
	for i := range 100 {
		latencies = append(latencies, time.Duration(100-i)*time.Millisecond)
	}
	require.InDelta(t, 51, quantile(0.50, latencies), 0)
	require.InDelta(t, 100, quantile(0.99, latencies), 0)
	require.Zero(t, quantile(0.99, nil))
}

func TestBodySaysWhenItWasMade(t *testing.T) {
	t.Parallel()
	require.Len(t, body(time.Now()), bodySize)
}
