// Package tocsin holds nothing but tests of the whole.
package tocsin

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mayImport says which of our packages each one knows: data flows one way, from
// event to outcome, and imports follow it. "channels/*" is any channel.
var mayImport = map[string][]string{
	"schema":               {},
	"linkkey":              {},
	"faultpoint":           {},
	"queue":                {"schema", "faultpoint"},
	"breaker":              {},
	"prefs":                {"schema", "breaker"},
	"pace":                 {"schema"},
	"ledger":               {"schema"},
	"audit":                {"schema"},
	"channels":             {"schema"},
	"channels/*":           {"schema", "channels", "channels/httpfail", "channels/outbound", "channels/unsubscribe"},
	"channels/unsubscribe": {"schema", "linkkey"},
	"channels/httpfail":    {"channels"},
	"channels/outbound":    {"channels", "channels/httpfail"},
	"channels/channeltest": {"schema", "channels"},
	"console/links":        {"linkkey"},
	"console/targets":      {"schema", "prefs", "channels"},
	"console/api":          {"schema", "prefs", "channels", "queue", "ledger", "audit", "replay", "console/keys", "console/links", "console/targets"},
	"console/ops":          {"schema", "prefs", "channels", "queue", "ledger", "audit", "replay", "breaker", "fleet", "console/keys", "console/links", "console/site"},
	"console/keys":         {},
	"console/site":         {},
	"console/browsertest":  {},
	"console/pages":        {"schema", "prefs", "channels", "queue", "ledger", "console/links", "console/site", "console/targets"},
	"worker":               {"schema", "queue", "prefs", "pace", "breaker", "channels", "faultpoint"},
	"metrics":              {"schema", "queue", "breaker", "worker"},
	"tracing":              {},
	"replay":               {"schema", "queue"},
	"fleet":                {"queue"},
	"farend":               {},
	"dev":                  {"schema", "farend"},
	"deploy":               {},
	"servertest":           {},
	"chaos":                {},
	"bench":                {"schema", "queue", "prefs", "bench/sink"},
	"bench/sink":           {"farend"},
	"cmd/tocsin":           {"schema", "queue", "prefs", "pace", "breaker", "ledger", "audit", "replay", "fleet", "channels", "channels/*", "worker", "metrics", "console/*", "farend", "dev", "bench", "bench/sink", "tracing"},
}

func TestImportsFollowTheData(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	require.NoError(t, err)
	seen := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		name, ours := strings.CutPrefix(pkg.ImportPath, "tocsin/")
		if !ours {
			continue
		}
		seen++
		allowed, known := rulesOf(name)
		require.True(t, known, "package %s has no place in the design: give it one here", name)
		for _, path := range pkg.Imports {
			if imported, ours := strings.CutPrefix(path, "tocsin/"); ours {
				require.True(t, permits(allowed, imported), "%s must not import %s", name, imported)
			}
		}
	}
	require.GreaterOrEqual(t, seen, 12, "packages")
}

func rulesOf(name string) (allowed []string, known bool) {
	if allowed, known = mayImport[name]; known {
		return allowed, true
	}
	if strings.HasPrefix(name, "channels/") {
		return mayImport["channels/*"], true
	}
	return nil, false
}

func permits(allowed []string, imported string) bool {
	for _, a := range allowed {
		folder, any := strings.CutSuffix(a, "*")
		if a == imported || any && strings.HasPrefix(imported, folder) {
			return true
		}
	}
	return false
}
