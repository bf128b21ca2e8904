package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"tocsin/prefs"
)

// account is an account whose members all look alike.
type account struct {
	name    string
	members int
	class   string // of the sink, that counts what its members get
}

// accounts are n accounts of one size. What their members have is told by the
// class: "ios" a device, "email" an address, and everything else a webhook.
func accounts(n, members int, class string) []account {
	all := make([]account, n)
	for i := range all {
		all[i] = account{name: class + "-" + strconv.Itoa(i), members: members, class: class}
	}
	return all
}

// secret is a signing secret of Standard Webhooks; all endpoints share it.
const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// person is the n-th member of all accounts.
func (s *Site) person(a account, n int) prefs.DirectoryUser {
	switch a.class {
	case "ios":
		return prefs.DirectoryUser{Devices: []json.RawMessage{json.RawMessage(fmt.Sprintf(`{"token":"%064x"}`, n+1))}}
	case "email":
		return prefs.DirectoryUser{Profile: prefs.Profile{Email: fmt.Sprintf("member%d@example.com", n)}}
	}
	settings := fmt.Sprintf(`{"url":"%s","secret":"%s"}`, s.endpoint(a.class, n), secret)
	return prefs.DirectoryUser{Channels: map[string]json.RawMessage{"webhook": json.RawMessage(settings)}}
}

// endpoint is the URL of a webhook. The first 10,000 are each on a host of their
// own, and all others share those of the last 5,000 of them.
func (s *Site) endpoint(class string, n int) string {
	host := n
	if n >= 10_000 {
		host = 5_000 + n%5_000
	}
	return fmt.Sprintf("http://127.1.%d.%d:%d/%s/%d", host/250, host%250+1, s.at.Port, class, n)
}

// settle saves accounts and their members, by the way of tocsin seed.
func (s *Site) settle(ctx context.Context, all []account) error {
	d := prefs.Directory{Users: map[string]prefs.DirectoryUser{}, Accounts: map[string][]string{}}
	for _, a := range all {
		for i := range a.members {
			user := fmt.Sprintf("%s-%d", a.name, i)
			d.Users[user] = s.person(a, len(d.Users))
			d.Accounts[a.name] = append(d.Accounts[a.name], user)
		}
	}
	return s.save(ctx, d)
}

// savers is how many users are saved at the same time.
const savers = 16

// save saves a directory, many users at a time.
func (s *Site) save(ctx context.Context, d prefs.Directory) error {
	parts := make([]prefs.Directory, savers)
	for i := range parts {
		parts[i] = prefs.Directory{Users: map[string]prefs.DirectoryUser{}, Accounts: map[string][]string{}}
	}
	home := map[string]int{} // a member is saved after the user
	for user, u := range d.Users {
		home[user] = len(home) % savers
		parts[home[user]].Users[user] = u
	}
	for name, members := range d.Accounts {
		for _, user := range members {
			part := parts[home[user]].Accounts
			part[name] = append(part[name], user)
		}
	}
	var group sync.WaitGroup
	failed := make(chan error, savers)
	for _, part := range parts {
		group.Go(func() { failed <- part.Save(ctx, s.store) })
	}
	group.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return fmt.Errorf("save the people of the benchmark: %w", err)
		}
	}
	return nil
}
