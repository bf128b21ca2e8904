package hipchat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"tocsin/channels"
)

func (c *channel) request(ctx context.Context, s Settings, n channels.Notice) (*http.Request, error) {
	if s.APIVersion == "2" {
		return c.requestV2(ctx, s, n)
	}
	return c.requestV1(ctx, s, n)
}

// requestV1 is POST /v1/rooms/message. The token is in the form: API v1 knows
// no Authorization header, and a query would end up in logs.
func (c *channel) requestV1(ctx context.Context, s Settings, n channels.Notice) (*http.Request, error) {
	notify := "0"
	if notifies(n.Outcome) {
		notify = "1"
	}
	form := url.Values{
		"auth_token":     {s.Token},
		"room_id":        {s.Room},
		"from":           {sender},
		"message":        {message(n)},
		"message_format": {"html"},
		"color":          {color(n.Outcome)},
		"notify":         {notify},
	}
	where := c.base.JoinPath("v1", "rooms", "message")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errNoRequest
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// requestV2 is POST /v2/room/{id_or_name}/notification.
func (c *channel) requestV2(ctx context.Context, s Settings, n channels.Notice) (*http.Request, error) {
	body, err := json.Marshal(map[string]any{
		"from":           sender,
		"message":        message(n),
		"message_format": "html",
		"color":          color(n.Outcome),
		"notify":         notifies(n.Outcome),
	})
	if err != nil {
		return nil, fmt.Errorf("encode HipChat notification: %w", err)
	}
	where := c.base.JoinPath("v2", "room", url.PathEscape(s.Room), "notification")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errNoRequest
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.Token)
	return req, nil
}

// errNoRequest stands for a cause that quotes the URL, and with it the room.
var errNoRequest = errors.New("make HipChat request: the room does not fit into a URL")
