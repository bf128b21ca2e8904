package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// units are the files of systemd/, by name, with a program that is there in
// place of the one that they start.
func units(t *testing.T) (folder string, text map[string]string) {
	t.Helper()
	folder, text = t.TempDir(), make(map[string]string)
	program, err := os.Executable()
	require.NoError(t, err)
	files, err := filepath.Glob("systemd/*")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		unit, err := os.ReadFile(file)
		require.NoError(t, err)
		name := filepath.Base(file)
		text[name] = string(unit)
		started := strings.ReplaceAll(string(unit), "/usr/local/bin/tocsin", program)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(started), 0o600))
	}
	return folder, text
}

// systemd itself reads the units where it is installed.
func TestUnitsAreValid(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	folder, text := units(t)
	for name := range text {
		path := filepath.Join(folder, strings.Replace(name, "@.", "@1.", 1))
		if name != filepath.Base(path) {
			require.NoError(t, os.Rename(filepath.Join(folder, name), path))
		}
		said, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", path).CombinedOutput()
		require.NoError(t, err, "%s: %s", name, said)
		require.Empty(t, string(said), name)
	}
}

func TestUnitsStartWhatThereIsAndLetItFinish(t *testing.T) {
	t.Parallel()
	_, text := units(t)
	require.Contains(t, text["tocsin-worker@.service"], "ExecStart=/usr/local/bin/tocsin worker\n")
	require.Contains(t, text["tocsin-web.service"], "ExecStart=/usr/local/bin/tocsin web\n")
	require.Contains(t, text["tocsin-backup.timer"], "[Timer]")
	for _, name := range []string{"tocsin-worker@.service", "tocsin-web.service"} {
		found := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(text[name])
		require.NotNil(t, found, name)
		seconds, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		require.Greater(t, seconds, 30+5, "TOCSIN_DRAIN_TIMEOUT, and a last word")
	}
	var names []string
	for _, unit := range text {
		for _, found := range regexp.MustCompile(`(?m)^Environment=([A-Z_]+)=`).FindAllStringSubmatch(unit, -1) {
			names = append(names, found[1])
		}
	}
	require.NotEmpty(t, names)
	requireKnown(t, "systemd", names)
}
