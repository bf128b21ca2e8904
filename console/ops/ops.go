// Package ops is the console of those who run an installation: what the fleet
// does at this moment, dead letters and their replays, what became of any event,
// and who did what.
//
// It is opened by an ops key, which is exchanged for a session cookie. Everything
// that changes something asks for the role operate, and stands in the audit
// stream before it is done. Pages work without JavaScript; with it they follow
// what moves. They look like the settings pages (package site), and each of them
// takes bounded time, however many dead letters there are.
package ops

import (
	"net/http"

	"go.uber.org/zap"

	"tocsin/audit"
	"tocsin/channels"
	"tocsin/console/links"
	"tocsin/console/site"
	"tocsin/fleet"
	"tocsin/queue"
	"tocsin/replay"
)

// Path is where the console is, below the public URL.
const Path = "/ops"

// Options are what the console is made of.
type Options struct {
	Queue   *queue.Queue
	Replays *replay.Replays
	Links   *links.Links
	Specs   []channels.Spec // all channels that there are
	Reports fleet.Reports   // of the fleet's processes
	Broken  broken
	Hosts   hosts
	Owners  owners
	Keys    Keys
	Log     *zap.Logger
}

// Console answers requests. Its handlers are methods of it.
type Console struct {
	Options
	site  *site.Site
	trail audit.Trail
	tries *tries
}

// New makes the console. It can be shown in nobody's frame.
func New(o Options) (*Console, error) {
	where, err := site.New(o.Links.Base(), nil)
	if err != nil {
		return nil, err
	}
	return &Console{Options: o, site: where, trail: audit.Trail{Stream: o.Queue, Log: o.Log}, tries: newTries()}, nil
}

// Register adds the console to what a server answers. The files that its pages
// load are the settings pages' (site.AssetsPath).
func (c *Console) Register(mux *http.ServeMux) {
	handle := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, c.guard(h)) }
	look := func(path string, h visitHandler) { handle("GET "+Path+path, c.session(h)) }
	act := func(path string, h visitHandler) { handle("POST "+Path+path, c.session(h)) }

	handle(Path+"/", c.notFound)
	handle("GET "+Path, c.overview)
	handle("GET "+Path+"/sign-in", c.askForKey)
	handle("POST "+Path+"/sign-in", c.signIn)
	act("/sign-out", c.signOut)

	look("/fleet", c.showFleet)
	act("/channels/{channel}", c.actOnChannel)
	look("/endpoints", c.showEndpoints)
	look("/dead", c.showLetters)
	act("/dead", c.actOnLetters)
	look("/dead/counts", c.showCounts)
	look("/dead/{seq}", c.showLetter)
	look("/replays", c.showReplays)
	look("/replays/{id}", c.showReplay)
	act("/replays/{id}", c.actOnReplay)
	look("/stories", c.showStories)
	look("/story", c.showStory)
	look("/audit", c.showActs)
}

func (c *Console) home() string { return c.site.Prefix + Path }

func (c *Console) overview(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, c.home()+"/fleet", http.StatusSeeOther)
}

// guard is around every handler.
func (c *Console) guard(next http.HandlerFunc) http.Handler {
	return c.site.Guard(next, func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, r, problem{http.StatusForbidden, "Another site sent this", "Nothing was changed. Use the console itself."})
	})
}
