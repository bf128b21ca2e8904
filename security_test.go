package tocsin

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// A threat model that names a test which is gone promises what nobody holds.
func TestEveryTestOfTheThreatModelIsThere(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/security.md")
	require.NoError(t, err)
	named := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`").FindAllSubmatch(doc, -1)
	require.Greater(t, len(named), 100, "tests are named as `package.TestName`")
	for _, n := range named {
		require.True(t, declares(t, string(n[1]), string(n[2])), "%s is named in docs/security.md, and is not there", n[0])
	}
}

func declares(t *testing.T, folder, test string) bool {
	t.Helper()
	files, err := filepath.Glob(folder + "/*_test.go")
	require.NoError(t, err)
	declaration := regexp.MustCompile(`(?m)^func ` + test + `\(`)
	for _, file := range files {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		if declaration.Match(code) {
			return true
		}
	}
	return false
}
