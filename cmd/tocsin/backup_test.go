package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/servertest"
)

const people = `{"users": {"ada": {"email": "ada@example.com", "channels": {"webhook": {"url": "https://example.com/hook"}}}, "bob": {}},
	"accounts": {"acme": ["ada", "bob"]}}`

func TestBackupIsRestored(t *testing.T) {
	t.Parallel()
	from, to := servertest.Redis(t), servertest.Redis(t)
	key := []string{"--secrets-key", secretsKey}
	must(t, people, append([]string{"seed", "-", "--redis-url", from}, key...)...)
	file := filepath.Join(t.TempDir(), "preferences.gz")
	code, said, stderr := tocsin(t, "", "backup", file, "--redis-url", from)
	require.Equal(t, exitDone, code, stderr)
	require.Empty(t, said)
	require.Contains(t, stderr, "saved 2 users")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "it holds addresses")

	restore := append([]string{"restore", file, "--redis-url", to}, key...)
	require.Contains(t, must(t, "", append(restore, "--check")...), "would restore 2 users; 0 were there")
	require.Contains(t, must(t, "", restore...), "restored 2 users; 0 were there already as in the backup, 0 otherwise")
	require.Contains(t, must(t, "", restore...), "restored 0 users; 2 were there already as in the backup, 0 otherwise")

	must(t, `{"users": {"ada": {"name": "Countess"}}}`, append([]string{"seed", "-", "--redis-url", to}, key...)...)
	code, said, stderr = tocsin(t, "", restore...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "otherwise: ada")
	require.Contains(t, stderr, "--overwrite replaces them")
	require.JSONEq(t, `{"written": 1, "same": 1, "kept": 0, "foreign": 0}`, must(t, "", append(restore, "--overwrite", "-o", "json")...))
}

func TestBackupByPipe(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	must(t, people, "seed", "-", "--redis-url", redis, "--secrets-key", secretsKey)
	file := must(t, "", "backup", "-", "--redis-url", redis)
	other := "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
	said := must(t, file, "restore", "-", "--check", "--redis-url", servertest.Redis(t), "--secrets-key", other)
	require.Contains(t, said, "2 targets encrypted by a key that is not in TOCSIN_SECRETS_KEY")
}

// One that fails leaves the older one where it is.
func TestBackupThatFailsReplacesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "preferences.gz")
	require.NoError(t, os.WriteFile(file, []byte("older"), 0o600))
	code, _, stderr := tocsin(t, "", "backup", file, "--redis-url", "redis://127.0.0.1:1/0?max_retries=-1")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "back up the preferences")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "older", string(text))
	rest, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, rest, 1)
	code, _, stderr = tocsin(t, "", "restore", file, "--redis-url", servertest.Redis(t), "--secrets-key", secretsKey)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "it is none")
}
