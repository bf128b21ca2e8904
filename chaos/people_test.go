package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
)

const accounts = 10

// member is one of the people: what kind of endpoint their webhook is, if they
// have one, and what else they have set up.
type member struct {
	user     string
	endpoint string // "ok", "flaky", "refusing", "down"; empty: no webhook
	mail     bool
	phone    bool
}

func (m member) has(channel string) bool {
	return channel == "webhook" && m.endpoint != "" || channel == "email" && m.mail || channel == "ios" && m.phone
}

func accountName(i int) string { return fmt.Sprintf("account-%d", i) }

// membersOf lists who is told of an account's events.
func membersOf(account string) []member {
	if account == largeAccount {
		return largeMembers()
	}
	members := []member{
		{user: account + "-steady", endpoint: "ok", mail: true},
		{user: account + "-flaky", endpoint: "flaky", phone: true},
		{user: account + "-quiet", mail: true, phone: true},
	}
	switch account {
	case accountName(0):
		members = append(members, member{user: fickle, endpoint: "down"})
	case accountName(1):
		members = append(members, member{user: account + "-refusing", endpoint: "refusing"})
	}
	return members
}

// largeAccount is one whose fan-out takes long. It is settled for the runs that
// need it.
const (
	largeAccount  = "large"
	largeSize     = 10_000
	chunksOfLarge = largeSize / 500 // see prefs.Store.Recipients
)

func largeMembers() []member {
	members := make([]member, largeSize)
	for i := range members {
		members[i] = member{user: fmt.Sprint("large-", i), endpoint: "ok"}
	}
	return members
}

// settleLarge saves the large account, many people at a time.
func (s *site) settleLarge() {
	s.t.Helper()
	var group sync.WaitGroup
	failed := make(chan error, 20)
	for part := range slices.Chunk(largeMembers(), largeSize/20) {
		group.Go(func() {
			d := prefs.Directory{Users: map[string]prefs.DirectoryUser{}, Accounts: map[string][]string{}}
			for _, m := range part {
				d.Users[m.user] = s.person(m, accounts*len(offered)+len(d.Users))
				d.Accounts[largeAccount] = append(d.Accounts[largeAccount], m.user)
			}
			failed <- d.Save(s.t.Context(), s.store)
		})
	}
	group.Wait()
	close(failed)
	for err := range failed {
		require.NoError(s.t, err)
	}
}

// fickle is who has an endpoint that is down, and switches it off in the midst
// of a run.
const fickle = "fickle"

const signingSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

func (s *site) directory() prefs.Directory {
	d := prefs.Directory{Users: map[string]prefs.DirectoryUser{}, Accounts: map[string][]string{}}
	for i := range accounts {
		for _, m := range membersOf(accountName(i)) {
			d.Users[m.user] = s.person(m, len(d.Users))
			d.Accounts[accountName(i)] = append(d.Accounts[accountName(i)], m.user)
		}
	}
	return d
}

func (s *site) person(m member, n int) prefs.DirectoryUser {
	var u prefs.DirectoryUser
	if m.mail {
		u.Email = m.user + "@example.com"
	}
	if m.phone {
		u.Devices = []json.RawMessage{json.RawMessage(fmt.Sprintf(`{"token":"%064x"}`, n+1))}
	}
	if m.endpoint != "" {
		settings := fmt.Sprintf(`{"url":%q,"secret":%q}`, s.endpoint(m, n), signingSecret)
		u.Channels = map[string]json.RawMessage{"webhook": json.RawMessage(settings)}
	}
	return u
}

// changeMind switches the fickle user's webhook off.
func (s *site) changeMind() {
	s.t.Helper()
	off, choices := false, map[prefs.Cell]*bool{}
	for _, typeName := range types {
		choices[prefs.Cell{Type: typeName, Channel: "webhook"}] = &off
	}
	require.NoError(s.t, s.store.SetChoices(s.t.Context(), fickle, choices))
}

// types are those that are published. The last is off by default.
var types = []string{"stack.redeploy.ok", "stack.redeploy.fail", "job.fail", "process.down", "stack.deploy.started"}

// wanted are the channels by which m is told of an event: exactly, but for the
// fickle, who may have changed their mind or not.
func (m member) wanted(typeName string) (channels []string) {
	if t, _ := schema.TypeNamed(typeName); !t.Default {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(offered), func(c string) bool { return !m.has(c) })
}
