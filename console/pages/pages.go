// Package pages is what users see of an installation: their settings page, where
// each decides what reaches them and how, and the page by which an address is
// confirmed.
//
// A settings page is opened by a signed link (console/links), which is
// exchanged for a session cookie at once. The cookie is good for one user, whose
// id is in the path: pages of two users can be open side by side. Pages work
// without JavaScript; with it, a switch is saved without loading the page anew.
// They ask nothing of any other host.
package pages

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/console/links"
	"tocsin/console/site"
	"tocsin/console/targets"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
)

// Options are what pages are made of.
type Options struct {
	Store    *prefs.Store
	Queue    *queue.Queue
	Links    *links.Links
	Channels *targets.Channels // those that this installation offers
	Specs    []channels.Spec   // all that there are

	// FrameAncestors are the origins whose pages may show these in a frame, as
	// TOCSIN_FRAME_ANCESTORS has them. None: nobody's.
	FrameAncestors []string

	Log *zap.Logger
}

// Pages answers requests. Its handlers are methods of it.
type Pages struct {
	Options
	site      *site.Site
	validator *schema.Validator
}

// New makes the pages. The error names what is wrong with FrameAncestors.
func New(o Options) (*Pages, error) {
	where, err := site.New(o.Links.Base(), o.FrameAncestors)
	if err != nil {
		return nil, err
	}
	validator, err := schema.NewValidator()
	if err != nil {
		return nil, err
	}
	return &Pages{Options: o, site: where, validator: validator}, nil
}

// Register adds the pages to what a server answers. A proxy in front takes the
// path of the public URL away.
//
//	GET  /settings?link=…                  exchanges a link for a session
//	GET  /settings/{user}/events           what is told by what; POST switches
//	GET  /settings/{user}/channels         where it is told; POST sets up, tests, removes
//	GET  /settings/{user}/deliveries       what became of it; POST sends again
//	GET  /confirm/{token}                  asks; POST confirms an address
//	GET  /settings-assets/{file}           style, script and icons
func (p *Pages) Register(mux *http.ServeMux) {
	handle := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, p.guard(h)) }
	handle("GET "+links.SettingsPath, p.enter)
	handle(links.SettingsPath+"/", p.notFound)
	handle("GET "+links.SettingsPath+"/{user}", p.overview)
	handle("GET "+links.SettingsPath+"/{user}/events", p.session(p.showEvents))
	handle("POST "+links.SettingsPath+"/{user}/events", p.session(p.changeEvents))
	handle("GET "+links.SettingsPath+"/{user}/channels", p.session(p.showChannels))
	handle("POST "+links.SettingsPath+"/{user}/channels", p.session(p.changeChannel))
	handle("GET "+links.SettingsPath+"/{user}/deliveries", p.session(p.showDeliveries))
	handle("POST "+links.SettingsPath+"/{user}/deliveries", p.session(p.redeliver))
	handle("GET "+links.ConfirmPath+"{token}", p.askToConfirm)
	handle("POST "+links.ConfirmPath+"{token}", p.confirm)
	handle("GET "+site.AssetsPath+"{file}", site.ServeAsset)
}

// visit is one request of a user whose session is good.
type visit struct {
	user    string
	profile prefs.Profile
}

type visitHandler func(w http.ResponseWriter, r *http.Request, v visit)

// home is where a user's pages are, as the browser sees them.
func (p *Pages) home(user string) string { return p.site.Prefix + links.SettingsPath + "/" + user }

func (p *Pages) person(ctx context.Context, user string) (visit, error) {
	profile, err := p.Store.User(ctx, user)
	return visit{user: user, profile: profile}, err
}
