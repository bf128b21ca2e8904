// Package api is the HTTP API by which the platform keeps users, their accounts,
// channels and preferences, and looks up what became of events.
//
// It is described by an OpenAPI 3.1 document that is made from this code, at
// /openapi.json and, to be read, at /docs. Whatever is refused is answered with a
// problem (RFC 9457) that names the field at fault. Requests show one of the
// installation's keys; what is behind is shared with the settings page, so that
// both know the same rules (package targets).
package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"tocsin/console/links"
	"tocsin/console/targets"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
)

// records reads the ledger.
type records interface {
	Ledger(ctx context.Context, l queue.LedgerQuery) iter.Seq2[schema.Record, error]
}

// Options are what the API is made of.
type Options struct {
	Store    *prefs.Store
	Channels *targets.Channels
	Ledger   records
	Links    *links.Links // nil: no settings links are made
	Dead     deadLetters
	Replays  *replay.Replays
	Trail    recorder // of what is done to replays
	Keys     Keys
	Rate     int // requests a second that one key may make; 0: as many as it likes

	PublicURL *url.URL // where the document says that the API is; nil: it does not
	Version   string
	Log       *zap.Logger
}

// API answers requests below /v1/, and describes them.
type API struct {
	Options
	huma huma.API
	mux  *http.ServeMux // of /v1/ alone
}

// New makes the API.
func New(o Options) *API {
	a := &API{Options: o, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, a.config())
	a.registerUsers()
	a.registerAccounts()
	a.registerPreferences()
	a.registerChannels()
	a.registerDevices()
	a.registerTrials()
	a.registerDeliveries()
	a.registerSettingsLinks()
	a.registerDead()
	a.registerReplays()
	return a
}

// Register adds the API to what a server answers.
func (a *API) Register(mux *http.ServeMux) error {
	document, err := a.Document()
	if err != nil {
		return err
	}
	page, err := a.page(document)
	if err != nil {
		return err
	}
	mux.Handle("/v1/", a.guard(a.mux))
	mux.Handle("GET /openapi.json", static("application/json", document))
	mux.Handle("GET /docs", static("text/html; charset=utf-8", page))
	mux.Handle("GET /docs/style.css", static("text/css; charset=utf-8", style))
	return nil
}

// config describes the whole. Nothing is set to what the library would otherwise
// answer by itself: its pages ask other hosts.
func (a *API) config() huma.Config {
	config := huma.DefaultConfig("Tocsin", a.Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", "", nil
	config.RejectUnknownQueryParameters = true
	config.NoFormatFallback = false
	config.Transformers = []huma.Transformer{withoutValues}
	config.Info.Description = description
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		keyScheme: {Type: "http", Scheme: "bearer", Description: "One of the keys in TOCSIN_API_KEYS."},
	}
	config.Security = []map[string][]string{{keyScheme: {}}}
	if a.PublicURL != nil {
		config.Servers = []*huma.Server{{URL: a.PublicURL.String()}}
	}
	return config
}

const keyScheme = "key"

const description = `Who is told of what, by which channels, and what became of it.

Requests carry ` + "`Authorization: Bearer <key>`" + ` and JSON of at most 64 KiB; fields that are not known are refused.
What can be changed by two at once has an entity tag: send it back as ` + "`If-Match`" + `, and a change that the other one
has not seen is refused with 412. Whatever is refused is answered with a problem (RFC 9457).`

// answers are the problems that any request can be answered with.
var answers = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestEntityTooLarge,
	http.StatusTooManyRequests, http.StatusServiceUnavailable,
}

// operation is one call.
type operation struct {
	id, method, path, summary, more string
	tag                             string
	body                            *huma.RequestBody
	errors                          []int                     // beyond answers
	status                          int                       // of success; 0: 200, or 204 without a body
	also                            map[string]*huma.Response // other successes, by status
}

// register makes a call known, and turns what goes wrong in it into a problem.
func register[I, O any](a *API, o operation, handle func(context.Context, *I) (*O, error)) {
	huma.Register(a.huma, huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Description: o.more, Tags: []string{o.tag},
		RequestBody: o.body, MaxBodyBytes: longestBody + 1, Errors: append(o.errors, answers...),
		DefaultStatus: o.status, Responses: o.also,
	}, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, fmt.Errorf("%s: %w", o.id, err))
		}
		return out, nil
	})
}

// none is the answer that has no body.
type none struct{}

// UserPath is what every call about a user is given. It and others like it are
// exported because the library finds parameters in exported fields alone.
type UserPath struct {
	User string `path:"user" pattern:"^[A-Za-z0-9_-]{1,64}$" patternDescription:"1 to 64 letters, digits, hyphens and underscores" example:"ada" doc:"The user's id, as the platform has it."`
}

// Precondition is given by who changes what they have seen (RFC 9110 section
// 13.1.1).
type Precondition struct {
	IfMatch string `header:"If-Match" pattern:"^\"[A-Za-z0-9_-]{1,64}\"$" patternDescription:"one strong entity tag" doc:"The ETag that was seen: another one by now is answered with 412."`
}

func (t Precondition) seen() prefs.Revision {
	if t.IfMatch == "" {
		return ""
	}
	return prefs.Revision(t.IfMatch[1 : len(t.IfMatch)-1])
}

func tag(r prefs.Revision) string {
	if r == "" || r == prefs.NoRevision {
		return ""
	}
	return `"` + string(r) + `"`
}
