package schema

import (
	"encoding/json"
	"fmt"
	"time"
)

// ChannelOff is the type of our own notices: a target was switched off, and its
// owner is told by email. It is not one of Types: the platform cannot publish
// it, and nobody can opt out of it.
const ChannelOff = "channel.off"

// ConfirmAddress is the type of the mail that asks the owner of an address
// whether a user may have mails sent there. Like ChannelOff it is ours alone.
const ConfirmAddress = "address.confirm"

// AskToConfirm is the mail that asks it, and holds the link to say yes.
func AskToConfirm(user, link string, now time.Time) Delivery {
	return Delivery{
		Event: Event{
			ID: link, Source: "tocsin", Type: ConfirmAddress, Account: "tocsin", User: user,
			Subject: "channel/" + NoticeChannel + "/main", Time: now, Link: link, Data: json.RawMessage(`{}`),
		},
		User: user, Channel: NoticeChannel, Target: "main", Planned: now,
	}
}

// NoticeChannel is the channel by which our own notices go.
const NoticeChannel = "email"

// SwitchedOff is the data of a ChannelOff notice.
type SwitchedOff struct {
	Channel string `json:"channel"` // the channel's label, for people: "Webhook"
	Reason  string `json:"reason"`
}

// NoticeOfSwitchedOff is the mail that tells the owner of d's target that it was
// switched off because of d. Its id follows from d's, so the notice is not
// repeated when the decision is.
func NoticeOfSwitchedOff(d Delivery, off SwitchedOff, now time.Time) (Delivery, error) {
	data, err := json.Marshal(off)
	if err != nil {
		return Delivery{}, fmt.Errorf("encode the notice of a target that was switched off: %w", err)
	}
	return Delivery{
		Event: Event{
			ID: d.ID(), Source: "tocsin", Type: ChannelOff, Account: d.Event.Account, User: d.User,
			Subject: "channel/" + d.Channel + "/" + d.Target, Time: now, Data: data,
		},
		User: d.User, Channel: NoticeChannel, Target: "main", Planned: now,
	}, nil
}
