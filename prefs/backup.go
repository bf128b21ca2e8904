package prefs

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// backupFormat is the version of the format. A reader refuses newer ones.
const backupFormat = 1

// A backup is JSON lines, compressed by gzip: what it is, a Saved for each user,
// and how many users there are, by which a backup that was cut off is known.
type (
	backupHead struct {
		Format int       `json:"tocsin_backup"`
		Made   time.Time `json:"made"`
	}
	backupLine struct {
		Saved
		Users *int `json:"users,omitempty"` // of the last line alone
	}
)

// Backup writes all users of a store, with their credentials sealed as they are,
// and says how many. What is saved while it is made may be in it or not.
func Backup(ctx context.Context, s *Store, w io.Writer) (users int, err error) {
	compressed := gzip.NewWriter(w)
	lines := json.NewEncoder(compressed)
	if err := lines.Encode(backupHead{backupFormat, time.Now().UTC()}); err != nil {
		return 0, fmt.Errorf("write the backup: %w", err)
	}
	err = s.EachSaved(ctx, func(page []Saved) error {
		for _, u := range page {
			if err := lines.Encode(u); err != nil {
				return fmt.Errorf("write the backup: %w", err)
			}
		}
		users += len(page)
		return nil
	})
	if err != nil {
		return users, err
	}
	end := map[string]int{"users": users}
	if err := errors.Join(lines.Encode(end), compressed.Close()); err != nil {
		return users, fmt.Errorf("write the backup: %w", err)
	}
	return users, nil
}

// Restored is what became of the users of a backup.
type Restored struct {
	Written int      `json:"written"`          // were not there, or were replaced
	Same    int      `json:"same"`             // are there as in the backup
	Kept    int      `json:"kept"`             // are there, and otherwise
	Differ  []string `json:"differ,omitempty"` // the first of those who were kept
	Foreign int      `json:"foreign"`          // targets sealed by a key that the store does not have
}

// mostNamed bounds Restored.Differ.
const mostNamed = 10

func (r *Restored) add(u Saved, fate Fate) {
	switch fate {
	case Written:
		r.Written++
	case Same:
		r.Same++
	case Kept:
		if r.Kept++; r.Kept <= mostNamed {
			r.Differ = append(r.Differ, u.User)
		}
	}
}

// Restore puts back the users of a backup. Users who are not in it stay, and so
// do those who are there and otherwise, unless they are to be replaced. What it
// says counts up to the error, if there is one; restoring again goes on from there.
func Restore(ctx context.Context, s *Store, r io.Reader, how PutBack) (Restored, error) {
	var done Restored
	lines, err := openBackup(r)
	if err != nil {
		return done, fmt.Errorf("read the backup: %w", err)
	}
	read := 0
	for {
		page, users, err := readPage(lines)
		if err != nil {
			return done, fmt.Errorf("read the backup after %d users: %w", read, err)
		}
		read += len(page)
		fates, err := s.PutSaved(ctx, page, how)
		if err != nil {
			return done, err
		}
		for i, u := range page {
			done.add(u, fates[i])
			done.Foreign += s.keys.foreign(u)
		}
		switch {
		case users == nil:
		case *users != read:
			return done, fmt.Errorf("read the backup: it says that it has %d users, and has %d", *users, read)
		default:
			return done, nil
		}
	}
}

func openBackup(r io.Reader) (*json.Decoder, error) {
	compressed, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return nil, fmt.Errorf("it is none: %w", err)
	}
	lines := json.NewDecoder(compressed)
	var head backupHead
	if err := lines.Decode(&head); err != nil || head.Format < 1 {
		return nil, errors.Join(errors.New("it is none: it does not begin as one does"), err)
	}
	if head.Format > backupFormat {
		return nil, fmt.Errorf("it has format %d, and this version of Tocsin knows formats up to %d", head.Format, backupFormat)
	}
	return lines, nil
}

// readPage reads the next users, and, behind the last one, how many there are.
func readPage(lines *json.Decoder) (page []Saved, users *int, err error) {
	for len(page) < savedAtATime {
		var line backupLine
		if err := lines.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the last line is missing
			}
			return nil, nil, err
		}
		if line.Users != nil {
			if _, err := lines.Token(); !errors.Is(err, io.EOF) { // reads gzip's checksum, too
				return nil, nil, errors.Join(errors.New("there is more behind its end"), err)
			}
			return page, line.Users, nil
		}
		page = append(page, line.Saved)
	}
	return page, nil, nil
}
