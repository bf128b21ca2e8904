package targets_test

import (
	"fmt"
	"path"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/console/targets"
	"tocsin/farend"
	"tocsin/prefs"
)

var confirmLink = regexp.MustCompile(`https://tocsin\.example\.com/confirm/[A-Za-z0-9_-]+`)

// confirm follows the link in the newest mail.
func (f *fixture) confirm(t *testing.T) error {
	t.Helper()
	mails := f.arrived()
	require.NotEmpty(t, mails)
	link := confirmLink.FindString(mails[len(mails)-1].Text)
	require.NotEmpty(t, link, mails[len(mails)-1].Text)
	claim, err := f.links.OpenConfirm(path.Base(link))
	require.NoError(t, err)
	return f.ConfirmEmail(t.Context(), claim.User, claim.Address)
}

func (f *fixture) address(t *testing.T) string {
	t.Helper()
	return f.get(t, "email").Targets[0].Fields["address"]
}

func TestAnotherAddressIsUsedOnceItsOwnerAgrees(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	saved := f.save(t, "email", map[string]any{"address": " work@example.org "})
	require.Equal(t, "work@example.org", saved.Pending.Address)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), saved.Pending.Until, time.Minute)
	require.Empty(t, f.address(t), "mails still go to the platform's")
	require.Equal(t, saved.Pending.Address, f.get(t, "email").Pending.Address)
	require.Equal(t, "work@example.org", f.arrived()[0].To)

	require.NoError(t, f.confirm(t))
	require.Equal(t, "work@example.org", f.address(t))
	require.Nil(t, f.get(t, "email").Pending)
	require.NoError(t, f.confirm(t), "mail programs follow links too")

	require.Nil(t, f.save(t, "email", map[string]any{"address": "work@example.org"}).Pending, "it is known to be the user's")
	require.Len(t, f.arrived(), 1)

	require.Nil(t, f.save(t, "email", map[string]any{"address": "ada@example.com"}).Pending, "the platform vouches for it")
	require.Empty(t, f.address(t), "and for those to come")
	require.ErrorIs(t, f.confirm(t), prefs.ErrNoPending, "an old link brings nothing back")
}

func TestTheNewestAddressCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "email", map[string]any{"address": "first@example.org"})
	f.save(t, "email", map[string]any{"address": "second@example.org"})
	require.ErrorIs(t, f.ConfirmEmail(t.Context(), "ada", "first@example.org"), prefs.ErrNoPending)
	require.NoError(t, f.confirm(t))
	require.Equal(t, "second@example.org", f.address(t))

	f.save(t, "email", map[string]any{"address": "third@example.org"})
	f.save(t, "email", map[string]any{})
	require.ErrorIs(t, f.confirm(t), prefs.ErrNoPending, "the user thought better of it")
	require.Empty(t, f.address(t))
}

func TestNobodyIsFloodedWithConfirmations(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var often *targets.TooOften
	for i := range 5 {
		f.save(t, "email", map[string]any{"address": fmt.Sprintf("a%d@example.org", i)})
	}
	_, err := f.Save(t.Context(), "ada", "email", map[string]any{"address": "a5@example.org"}, "")
	require.ErrorAs(t, err, &often)
	for i := range 5 {
		user := fmt.Sprint("user", i)
		require.NoError(t, f.Store.PutUser(t.Context(), user, prefs.Profile{}))
		_, err := f.Save(t.Context(), user, "email", map[string]any{"address": "victim@example.org"}, "")
		require.NoError(t, err)
	}
	require.NoError(t, f.Store.PutUser(t.Context(), "user5", prefs.Profile{}))
	_, err = f.Save(t.Context(), "user5", "email", map[string]any{"address": "Victim@example.org"}, "")
	require.ErrorAs(t, err, &often)
}

func TestAnAddressThatTakesNoMailIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.inbox.Answer(func(step farend.InboxStep) error {
		if step.Command == "RCPT" {
			return farend.SMTPAnswer(550, [3]int{5, 1, 1}, "no such user")
		}
		return nil
	})
	_, err := f.Save(t.Context(), "ada", "email", map[string]any{"address": "nobody@example.org"}, "")
	requireInvalid(t, err, "address", "no mail can be sent there")
	require.Nil(t, f.get(t, "email").Pending)

	require.NoError(t, f.inbox.Close())
	_, err = f.Save(t.Context(), "ada", "email", map[string]any{"address": "work@example.org"}, "")
	require.ErrorIs(t, err, targets.ErrMail)
	require.Nil(t, f.get(t, "email").Pending)
}

func TestWithoutLinksOnlyThePlatformsAddressIsUsed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Links = nil
	_, err := f.Save(t.Context(), "ada", "email", map[string]any{"address": "work@example.org"}, "")
	require.ErrorIs(t, err, targets.ErrNotHere)
	f.save(t, "email", map[string]any{"address": "ada@example.com"})

	require.NoError(t, f.Store.PutUser(t.Context(), "bob", prefs.Profile{}))
	_, err = f.Save(t.Context(), "bob", "email", nil, "")
	requireInvalid(t, err, "address", "needed")
}
