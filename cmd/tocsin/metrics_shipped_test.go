package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// What is shipped for Prometheus and Grafana asks for nothing that a worker does
// not say, and by no label that it does not have.
func TestAlertsAndDashboardAskForWhatAWorkerSays(t *testing.T) {
	t.Parallel()
	said := saidByAWorker(t)
	for file, expressions := range map[string][]string{
		"../../deploy/prometheus/alerts.yml": alertExpressions(t),
		"../../deploy/grafana/tocsin.json":   dashboardExpressions(t),
	} {
		require.NotEmpty(t, expressions)
		for _, e := range expressions {
			for name, labels := range askedFor(e) {
				require.Contains(t, said, name, "%s asks for it in %s", file, e)
				for _, label := range labels {
					require.Contains(t, said[name], label, "%s asks for that label of %s in %s", file, name, e)
				}
			}
		}
	}
}

// Prometheus' own tool takes the alerts for valid, and each rings when it should.
func TestAlertsRing(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		promtool, err = filepath.Abs("../../bin/promtool")
		require.NoError(t, err)
		require.FileExists(t, promtool, "this test needs promtool: 'make needs-promtool' unpacks it")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		command := exec.CommandContext(t.Context(), promtool, args...)
		command.Dir = "../../deploy/prometheus"
		said, err := command.CombinedOutput()
		require.NoError(t, err, "%s", said)
		require.Contains(t, string(said), "SUCCESS")
	}
	tested, err := os.ReadFile("../../deploy/prometheus/alerts_test.yml")
	require.NoError(t, err)
	for _, name := range alertNames(t) {
		require.Contains(t, string(tested), "alertname: "+name+"\n", "no test in which it rings")
	}
}

// docs/metrics.md tells of each figure with exactly its labels, and of no other.
func TestEveryFigureIsExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	explained := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(tocsin_[a-z_]+)` \\|([^|]*)\\| [^|]{20,} \\|$").FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for _, label := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[2], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		explained[row[1]] = labels
	}
	said := map[string][]string{}
	for name, labels := range saidByAWorker(t) {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "tocsin_") && (base == name || !slices.Contains([]string{"_sum", "_bucket"}, name[len(base):])) {
			said[base] = slices.DeleteFunc(labels, func(l string) bool { return l == "le" })
		}
	}
	require.Equal(t, said, explained)
}

// saidByAWorker is the labels of each series that a worker shows, by name.
func saidByAWorker(t *testing.T) map[string][]string {
	t.Helper()
	s := newSite(t)
	url, _ := watch(t, s.workerArgs("--metrics-addr", "127.0.0.1:0")...)
	shows(t, url, `tocsin_breakers{channel="host",state="open"} 0`)
	shows(t, url, `tocsin_waiting{channel="webhook"} 0`)
	_, text := get(t, url)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	said := map[string][]string{}
	for name, f := range families {
		var labels []string
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		slices.Sort(labels)
		if f.GetMetric()[0].GetHistogram() == nil {
			said[name] = labels
			continue
		}
		said[name+"_count"], said[name+"_sum"], said[name+"_bucket"] = labels, labels, append([]string{"le"}, labels...)
	}
	return said
}

var (
	series   = regexp.MustCompile(`\b((?:tocsin|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	selector = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// askedFor is the labels by which an expression asks for each series. Prometheus
// itself adds job and instance.
func askedFor(expression string) map[string][]string {
	asked := map[string][]string{}
	var groups []string
	for _, group := range grouping.FindAllStringSubmatch(expression, -1) {
		groups = append(groups, regexp.MustCompile(`\w+`).FindAllString(group[1], -1)...)
	}
	groups = slices.DeleteFunc(groups, func(l string) bool { return l == "job" || l == "instance" })
	for _, s := range series.FindAllStringSubmatch(expression, -1) {
		labels := slices.Clone(groups)
		if s[1] == "tocsin_build_info" || strings.HasPrefix(s[1], "process_") {
			labels = nil // joined with others, by job and instance
		}
		for _, l := range selector.FindAllStringSubmatch(s[2], -1) {
			labels = append(labels, l[1])
		}
		asked[s[1]] = append(asked[s[1]], labels...)
	}
	return asked
}

// alert is one of those that are shipped.
type alert struct{ Alert, Expr string }

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []alert } }
	require.NoError(t, yaml.Unmarshal(text, &file))
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

func alertNames(t *testing.T) (names []string) {
	t.Helper()
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
	}
	return names
}

func alertExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	for _, a := range alerts(t) {
		expressions = append(expressions, a.Expr)
	}
	return expressions
}

func dashboardExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/tocsin.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	for _, annotation := range dashboard.Annotations.List {
		expressions = append(expressions, annotation.Expr)
	}
	return expressions
}
