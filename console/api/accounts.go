package api

import (
	"context"
	"net/http"
	"slices"
)

// AccountPath is what every call about an account is given.
type AccountPath struct {
	Account string `path:"account" pattern:"^[A-Za-z0-9_-]{1,64}$" patternDescription:"1 to 64 letters, digits, hyphens and underscores" example:"acme" doc:"The account's id, as the platform has it."`
}

func (a *API) registerAccounts() {
	const path, topic = "/v1/accounts/{account}/members", "Accounts"
	type member struct {
		AccountPath
		UserPath
	}
	register(a, operation{
		id: "put-member", method: http.MethodPut, path: path + "/{user}", tag: topic, summary: "Add a member",
		more: "Members are told of an account's events, each by their own choices. The user must be known.",
	}, func(ctx context.Context, in *member) (*none, error) {
		return &none{}, a.Store.AddMember(ctx, in.Account, in.User)
	})
	register(a, operation{
		id: "delete-member", method: http.MethodDelete, path: path + "/{user}", tag: topic, summary: "Remove a member",
		more: "What waits for another attempt is not sent any more. To remove one who is no member is no error.",
	}, func(ctx context.Context, in *member) (*none, error) {
		return &none{}, a.Store.RemoveMember(ctx, in.Account, in.User)
	})

	type list struct {
		AccountPath
		After string `query:"after" pattern:"^[A-Za-z0-9_-]{1,64}$" patternDescription:"1 to 64 letters, digits, hyphens and underscores" doc:"Members behind this one, in the order of their ids: the next of the page before."`
		Limit int    `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"How many at most."`
	}
	type members struct {
		Members []string `json:"members" nullable:"false" doc:"User ids, in order."`
		Next    string   `json:"next,omitempty" doc:"Where the next page begins: give it as after. None: this is the last."`
	}
	type membersAnswer struct{ Body members }
	register(a, operation{
		id: "list-members", method: http.MethodGet, path: path, tag: topic, summary: "List an account's members",
	}, func(ctx context.Context, in *list) (*membersAnswer, error) {
		found, err := a.membersAfter(ctx, in.Account, in.After, in.Limit+1)
		page := members{Members: found}
		if len(found) > in.Limit {
			page.Members = found[:in.Limit]
			page.Next = page.Members[in.Limit-1]
		}
		return &membersAnswer{page}, err
	})
}

// membersAfter reads the whole account, which has no order in Redis, and holds no
// more than twice what is asked for.
func (a *API) membersAfter(ctx context.Context, account, after string, most int) ([]string, error) {
	first := func(ids []string) []string {
		slices.Sort(ids)
		return ids[:min(len(ids), most)]
	}
	found := []string{}
	for user, err := range a.Store.Members(ctx, account) {
		if err != nil {
			return nil, err
		}
		if user > after {
			found = append(found, user)
		}
		if len(found) >= 2*most {
			found = first(found)
		}
	}
	return first(found), nil
}
