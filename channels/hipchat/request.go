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
	"tocsin/schema"
)

// posting is what a room is asked to show; its JSON is the body of API v2.
type posting struct {
	From    string `json:"from"`
	Message string `json:"message"`
	Format  string `json:"message_format"`
	Color   string `json:"color"`
	Notify  bool   `json:"notify"`
	Card    *card  `json:"card,omitempty"`
}

// newPosting has no card if it mentions others: clients would show the card and
// not the message.
func newPosting(d schema.Delivery, also []channels.Brief) posting {
	n := channels.DescribeDelivery(d)
	outcome := worst(n.Outcome, also)
	p := posting{sender, message(n, also), "html", color(outcome), notifies(outcome), nil}
	if len(also) == 0 {
		p.Card = newCard(d.ID(), d.Event.Type, n)
	}
	return p
}

func (c *channel) request(ctx context.Context, s Settings, p posting) (*http.Request, error) {
	if s.APIVersion == "2" {
		return c.requestV2(ctx, s, p)
	}
	return c.requestV1(ctx, s, p)
}

// requestV1 is POST /v1/rooms/message. The token is in the form: API v1 knows
// no Authorization header, and a query would end up in logs.
func (c *channel) requestV1(ctx context.Context, s Settings, p posting) (*http.Request, error) {
	notify := "0"
	if p.Notify {
		notify = "1"
	}
	form := url.Values{
		"auth_token":     {s.Token},
		"room_id":        {s.Room},
		"from":           {p.From},
		"message":        {p.Message},
		"message_format": {p.Format},
		"color":          {p.Color},
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
func (c *channel) requestV2(ctx context.Context, s Settings, p posting) (*http.Request, error) {
	body, err := json.Marshal(p)
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
