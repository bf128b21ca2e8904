package api

import (
	"context"
	"net/http"
	"time"
)

const (
	shortestLink = time.Minute
	longestLink  = 24 * time.Hour
	usualLink    = 10 * time.Minute
)

func (a *API) registerSettingsLinks() {
	type linkWanted struct {
		ExpiresIn string `json:"expires_in,omitempty" example:"10m" doc:"For how long the link is good, from 1m to 24h. Default: 10m."`
	}
	type make struct {
		UserPath
		Body *linkWanted `required:"false"`
	}
	type link struct {
		URL     string    `json:"url" doc:"Opens the user's settings page, once. Whoever has it is that user to us."`
		Expires time.Time `json:"expires_at"`
	}
	type linkAnswer struct{ Body link }
	register(a, operation{
		id: "post-settings-link", method: http.MethodPost, path: "/v1/users/{user}/settings-link", tag: "Settings page",
		summary: "Make a link to a user's settings page", errors: []int{http.StatusNotImplemented}, status: http.StatusCreated,
	}, func(ctx context.Context, in *make) (*linkAnswer, error) {
		if a.Links == nil {
			return nil, problemOf(http.StatusNotImplemented, "this installation makes no links: its operator sets TOCSIN_PUBLIC_URL and TOCSIN_LINK_KEY")
		}
		good := usualLink
		if in.Body != nil && in.Body.ExpiresIn != "" {
			var err error
			if good, err = time.ParseDuration(in.Body.ExpiresIn); err != nil || good < shortestLink || good > longestLink {
				return nil, invalid(fault("body.expires_in", "it is not a time from 1m to 24h"))
			}
		}
		if _, err := a.Store.User(ctx, in.User); err != nil {
			return nil, err
		}
		expires := time.Now().Add(good).UTC().Truncate(time.Second)
		return &linkAnswer{link{URL: a.Links.Settings(in.User, expires), Expires: expires}}, nil
	})
}
