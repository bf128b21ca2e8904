package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/channels"
	"tocsin/console/targets"
)

// ChannelPath is what a call about any channel is given.
type ChannelPath struct {
	UserPath
	Channel string `path:"channel" pattern:"^[A-Za-z0-9_-]{1,64}$" patternDescription:"1 to 64 letters, digits, hyphens and underscores" example:"webhook"`
}

// channelState is a channel, and what is told of it once.
type channelState struct {
	targets.View
	Made map[string]string `json:"made,omitempty" doc:"What was made for the owner of the far end, such as the secret that signs webhooks: told now, and never again."`
}

type channelAnswer struct {
	Status int
	ETag   string `header:"ETag"`
	Body   channelState
}

// renewed is what was made in place of something.
type renewed struct {
	Made map[string]string `json:"made" doc:"What the owner of the far end has to know now. It is told once."`
}

// settingsOf is a channel's settings, as its Spec describes them.
type settingsOf struct {
	UserPath
	Precondition
	Body map[string]any
}

func (a *API) registerChannels() {
	const path, topic = "/v1/users/{user}/channels", "Channels"
	type channelList struct {
		Channels []targets.View `json:"channels" nullable:"false"`
	}
	type listAnswer struct{ Body channelList }
	register(a, operation{
		id: "list-channels", method: http.MethodGet, path: path, tag: topic, summary: "List a user's channels",
		more: "All that the installation offers, with what the user has set up and how it fares. Credentials are never shown.",
	}, func(ctx context.Context, in *UserPath) (*listAnswer, error) {
		views, err := a.Channels.List(ctx, in.User)
		return &listAnswer{channelList{views}}, err
	})
	register(a, operation{
		id: "get-channel", method: http.MethodGet, path: path + "/{channel}", tag: topic, summary: "Read one of a user's channels",
	}, func(ctx context.Context, in *ChannelPath) (*channelAnswer, error) {
		return a.channel(ctx, in.User, in.Channel)
	})
	register(a, operation{
		id: "delete-channel", method: http.MethodDelete, path: path + "/{channel}", tag: topic, summary: "Remove one of a user's channels",
		more: "Forgets its settings. The user's preferences for it are kept.",
	}, func(ctx context.Context, in *ChannelPath) (*none, error) {
		return &none{}, a.Channels.Delete(ctx, in.User, in.Channel, channels.MainTarget)
	})
	for _, offered := range a.Channels.Offered {
		if !offered.Spec.Many {
			a.registerChannel(path, topic, offered.Spec)
		}
	}
}

// registerChannel makes the calls that a channel's Spec describes.
func (a *API) registerChannel(path, topic string, spec channels.Spec) {
	register(a, operation{
		id: "put-channel-" + spec.Name, method: http.MethodPut, path: path + "/" + spec.Name, tag: topic,
		summary: "Set up " + spec.Label,
		more:    "Sets the channel up, or replaces its settings, and switches it on. Credentials that are left out are kept; an empty text removes them.",
		body:    bodyOf(spec), also: a.waits(spec),
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, func(ctx context.Context, in *settingsOf) (*channelAnswer, error) {
		saved, err := a.Channels.Save(ctx, in.User, spec.Name, in.Body, in.seen())
		if err != nil {
			return nil, err
		}
		out, err := a.channel(ctx, in.User, spec.Name)
		if err != nil {
			return nil, err
		}
		out.Body.Made = saved.Shown
		if saved.Pending != nil {
			out.Status = http.StatusAccepted
		}
		return out, nil
	})
	for _, field := range spec.Fields {
		if field.Renew != nil {
			a.registerRenewal(path+"/"+spec.Name+"/"+field.Name, topic, spec.Name, field)
		}
	}
}

// waits documents the answer where an address has to be confirmed.
func (a *API) waits(spec channels.Spec) map[string]*huma.Response {
	if !slices.ContainsFunc(spec.Fields, func(f channels.Field) bool { return f.Kind == channels.Email }) {
		return nil
	}
	state := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[channelState](), true, "")
	return map[string]*huma.Response{strconv.Itoa(http.StatusAccepted): {
		Description: "An address other than the person's: it is used once its owner has followed the link in a mail, within a day",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: state}},
	}}
}

func (a *API) registerRenewal(path, topic, channel string, field channels.Field) {
	type renewedAnswer struct{ Body renewed }
	type renew struct {
		UserPath
		Precondition
	}
	register(a, operation{
		id: "renew-" + channel + "-" + field.Name, method: http.MethodPost, path: path, tag: topic,
		summary: "Renew: " + field.Label, more: "Makes another one. The previous one goes on working for 24 hours beside it.",
		errors: []int{http.StatusPreconditionFailed},
	}, func(ctx context.Context, in *renew) (*renewedAnswer, error) {
		shown, err := a.Channels.Renew(ctx, in.User, channel, field.Name, in.seen())
		return &renewedAnswer{renewed{Made: map[string]string{field.Name: shown}}}, err
	})
}

func (a *API) channel(ctx context.Context, user, channel string) (*channelAnswer, error) {
	view, err := a.Channels.Get(ctx, user, channel)
	if err != nil {
		return nil, err
	}
	out := &channelAnswer{Status: http.StatusOK, Body: channelState{View: view}}
	if view.SetUp() && !view.Spec.Many {
		out.ETag = tag(view.Targets[0].Revision)
	}
	return out, nil
}

// bodyOf describes a channel's settings to callers. What the channel makes by
// itself need not be sent.
func bodyOf(spec channels.Spec) *huma.RequestBody {
	object := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, AdditionalProperties: false}
	for _, field := range spec.Fields {
		object.Properties[field.Name] = schemaOf(field)
		if field.Required && field.Renew == nil {
			object.Required = append(object.Required, field.Name)
		}
	}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: object}}}
}

func schemaOf(field channels.Field) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	for _, option := range field.Options {
		text.Enum = append(text.Enum, option.Value)
	}
	if len(text.Enum) > 0 {
		text.Enum = append(text.Enum, "")
	}
	if field.Kind == channels.Lines {
		lines := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: &huma.Schema{Type: huma.TypeString}}
		text = &huma.Schema{AnyOf: []*huma.Schema{text, lines}}
	}
	text.Description = field.Label + ". " + field.Help
	return text
}
