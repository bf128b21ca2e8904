package deploy

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandbookTellsOfEveryAlertThereIs(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("prometheus/alerts.yml")
	require.NoError(t, err)
	handbook, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	alerts := names(regexp.MustCompile(`(?m)^ +- alert: (\w+)$`), rules)
	require.NotEmpty(t, alerts)
	require.ElementsMatch(t, alerts, names(regexp.MustCompile("(?m)^\\| `(Tocsin\\w+)` \\|"), handbook))
}

func names(pattern *regexp.Regexp, text []byte) []string {
	var all []string
	for _, found := range pattern.FindAllSubmatch(text, -1) {
		all = append(all, string(found[1]))
	}
	return all
}
