// Package dev is the page of `tocsin dev`: thirteen buttons that publish a
// sample event each, and beside them what arrived at the local far ends, as
// the person who is told would see it.
//
// The page works without JavaScript, by reloading; with it, arrivals appear as
// they come. It asks nothing of any other host.
package dev

import (
	"context"
	"crypto/rand"
	"embed"
	"net/http"
	"sync"

	"tocsin/farend"
)

// About is what the page tells of the process behind it.
type About struct {
	Account     string // whose events the buttons publish
	User        string // who is told
	NATSURL     string
	RedisURL    string
	PublishLine string // a command line to try
	Version     string

	// Settings makes a link to the user's settings page, good once. Nil: there
	// is no such page.
	Settings func() string
}

//go:embed assets
var assets embed.FS

// page serves one Log; its handlers are methods of it.
type page struct {
	log     *farend.Log
	publish func(ctx context.Context, typeName string) error
	about   About
	run     string // differs for each process, so that a page left open notices a restart

	watch    sync.Once
	stop     func()
	stopping chan struct{} // closed when the server shuts down
}

// NewPage serves the page, what it consists of, and what it shows as JSON:
//
//	GET  /                 the page
//	POST /publish/{type}   publishes a sample event of the type
//	POST /publish          publishes one of each type
//	GET  /received?after=N what arrived after the first N things, as JSON
//	GET  /stream           the same as server-sent events, without end
//	GET  /mail/{seq}       a mail, sandboxed
//	GET  /open-settings    redirects to the user's settings page
//	GET  /healthz          200 while the process serves
//
// publish is called from many goroutines. Requests by any but a local name are
// refused, and so is what another site makes the browser post.
func NewPage(log *farend.Log, publish func(ctx context.Context, typeName string) error, about About) http.Handler {
	stopping := make(chan struct{})
	p := &page{
		log:      log,
		publish:  publish,
		about:    about,
		run:      rand.Text(),
		stop:     sync.OnceFunc(func() { close(stopping) }),
		stopping: stopping,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.show)
	mux.HandleFunc("POST /publish", p.publishAll)
	mux.HandleFunc("POST /publish/{type}", p.publishOne)
	mux.HandleFunc("GET /received", p.received)
	mux.HandleFunc("GET /stream", p.stream)
	mux.HandleFunc("GET /mail/{seq}", p.mail)
	mux.HandleFunc("GET /open-settings", p.openSettings)
	mux.HandleFunc("GET /healthz", healthy)
	mux.Handle("GET /assets/", http.FileServerFS(assets))
	return p.watchShutdown(onlyLocal(sameOrigin(withHeaders(mux))))
}

func (p *page) openSettings(w http.ResponseWriter, r *http.Request) {
	if p.about.Settings == nil {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, p.about.Settings(), http.StatusSeeOther)
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the caller may have gone
}

// watchShutdown learns from the first request which server it belongs to.
// Shutdown waits for every request, and a stream would never end by itself.
func (p *page) watchShutdown(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
			p.watch.Do(func() { server.RegisterOnShutdown(p.stop) })
		}
		next.ServeHTTP(w, r)
	})
}
