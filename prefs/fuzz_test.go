package prefs

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzBackup gives the lines of a file that somebody has edited. Reading it ends,
// with as many users as it says or an error.
func FuzzBackup(f *testing.F) {
	const head = `{"tocsin_backup":1,"made":"2026-03-01T12:00:00Z"}` + "\n"
	f.Add(head + `{"user":"ada","profile":"{}","prefs":{"job.fail/email":"1 x"},"targets":{"ios/d":"v1.a.b"},"accounts":["acme"]}` + "\n" + `{"users":1}`)
	f.Add(head + `{"users":-1}`)
	f.Add(head + `{"users":0}{}`)
	f.Add(`{"tocsin_backup":99999999999999999999}`)
	f.Add(head + strings.Repeat("[", 20_000))
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := openBackup(bytes.NewReader(compressed(t, text)))
		if err != nil {
			return
		}
		for read := 0; ; {
			page, users, err := readPage(lines)
			if err != nil {
				return
			}
			read += len(page)
			require.LessOrEqual(t, read, len(text), "a user takes more than a byte")
			for _, u := range page {
				requireSafe(t, u)
			}
			if users != nil {
				return
			}
			require.NotEmpty(t, page)
		}
	})
}

// requireSafe sees that who is put back has ids that are one token of a key.
func requireSafe(t *testing.T, u Saved) {
	if u.check() != nil {
		return
	}
	for _, key := range u.keys() {
		require.Equal(t, 1, strings.Count(key, "{"+u.User+"}"), key)
		require.NotContains(t, key, " ")
	}
	again, err := json.Marshal(u)
	require.NoError(t, err)
	var read Saved
	require.NoError(t, json.Unmarshal(again, &read))
	require.Equal(t, u.User, read.User)
}

func compressed(t testing.TB, text string) []byte {
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	_, err := w.Write([]byte(text))
	require.NoError(t, errors.Join(err, w.Close()))
	return file.Bytes()
}

// FuzzBackupFile gives any file.
func FuzzBackupFile(f *testing.F) {
	f.Add(compressed(f, `{"tocsin_backup":1}{"users":0}`))
	f.Add([]byte("users: ada"))
	f.Fuzz(func(t *testing.T, file []byte) {
		lines, err := openBackup(bytes.NewReader(file))
		if err == nil {
			_, _, err = readPage(lines)
		}
		if err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}

// FuzzRecord gives a field of a user's record: it is a choice, or a target, or
// named as one that nobody can read.
func FuzzRecord(f *testing.F) {
	f.Add("job.fail/email", "1 t2n6x0")
	f.Add("target/ios/d1", "2026-03-01T12:00:00.000000000Z")
	f.Add("target/webhook/main", "off 2026-03-01T12:00:00.000000000Z 410 Gone")
	f.Add("target/a b/c", "off")
	f.Add("job.fail/email", "1 zzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, field, value string) {
		r := readRecord(map[string]string{field: value})
		require.Equal(t, 1, len(r.choices)+len(r.targets)+len(r.unreadable))
		require.Len(t, append(r.targetsOn(), r.targetsOff()...), len(r.targets))
		for ref := range r.targets {
			require.NoError(t, ref.check())
		}
		chosenAt(value)
		revisionOfChoices(map[string]string{field: value})
	})
}

// FuzzSealed gives what lies in Redis in place of sealed settings. It does not
// open, and what does opens for its own target alone.
func FuzzSealed(f *testing.F) {
	ring, err := ParseKeys(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	require.NoError(f, err)
	f.Add("v1."+ring.keys[0].id+".AAAA", []byte(`{"url":"https://example.com"}`))
	f.Add("v1..", []byte{})
	f.Add("....", []byte("canary"))
	f.Fuzz(func(t *testing.T, foreign string, settings []byte) {
		_, err := ring.open("ada", hook, foreign)
		require.ErrorIs(t, err, ErrSealed)
		sealed, err := ring.seal("ada", hook, settings)
		require.NoError(t, err)
		opened, err := ring.open("ada", hook, sealed)
		require.NoError(t, err)
		require.Equal(t, string(settings), string(opened))
		_, err = ring.open("eve", hook, sealed)
		require.ErrorIs(t, err, ErrSealed)
	})
}

// FuzzParseKeys gives what an operator may have put into TOCSIN_SECRETS_KEY.
// What is said of it holds nothing of it.
func FuzzParseKeys(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	f.Add("hunter2-hunter2,,")
	f.Add(" ")
	f.Fuzz(func(t *testing.T, text string) {
		ring, err := ParseKeys(text)
		if err != nil {
			require.Regexp(t, `^(no key: base64 of 32 .*|key \d+ of \d+: it is (empty.*|not base64: illegal base64 data at input byte \d+|\d+ bytes long and must be 32))$`, err.Error())
			return
		}
		require.Len(t, ring.keys, 1+strings.Count(text, ","))
	})
}
