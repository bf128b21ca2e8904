package deploy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// variables are those that some command of Tocsin reads.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	known := make(map[string]bool)
	flag := regexp.MustCompile(`env:"([A-Z_]+)"`)
	for _, folder := range []string{"../cmd", "../channels", "../worker"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range flag.FindAllStringSubmatch(string(text), -1) {
				known[found[1]] = true
			}
			return err
		}))
	}
	require.True(t, known["TOCSIN_NATS_URL"])
	return known
}

// requireKnown wants each variable of Tocsin's to be one that it reads.
func requireKnown(t *testing.T, where string, names []string) {
	t.Helper()
	known := variables(t)
	for _, name := range names {
		if strings.HasPrefix(name, "TOCSIN_") {
			require.True(t, known[name], "%s sets %s, which no command reads", where, name)
		}
	}
}
