package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Types of our own notices: the owner of a target is told by email. They are
// none of Types: the platform cannot publish them, and nobody can opt out.
const (
	ChannelFailing = "channel.failing" // nothing reaches it, and it will be switched off
	ChannelOff     = "channel.off"     // it was switched off
)

// IsNotice reports whether events of this type are our own.
func IsNotice(typeName string) bool { return typeName == ChannelFailing || typeName == ChannelOff }

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

// Failing is the data of a ChannelFailing notice.
type Failing struct {
	Channel string    `json:"channel"` // the channel's label, for people: "Webhook"
	Reason  string    `json:"reason"`  // why the newest attempt failed
	Since   time.Time `json:"since"`   // nothing has succeeded since then
	Off     time.Time `json:"off"`     // when it will be switched off, if nothing succeeds
}

// NoticeOfSwitchedOff is the mail that tells the owner of d's target that it was
// switched off because of d. Its id follows from d's, so the notice is not
// repeated when the decision is.
func NoticeOfSwitchedOff(d Delivery, off SwitchedOff, now time.Time) (Delivery, error) {
	return noticeTo(d, ChannelOff, d.ID(), off, now)
}

// NoticeOfFailing is the n-th mail that warns the owner of d's target. Its id
// follows from the target, since when it fails, and n, so that whoever decides
// to send it sends the same.
func NoticeOfFailing(d Delivery, failing Failing, n int, now time.Time) (Delivery, error) {
	target := Delivery{User: d.User, Channel: d.Channel, Target: d.Target}.ID()
	id := target + "/" + strconv.FormatInt(failing.Since.UnixMilli(), 10) + "/" + strconv.Itoa(n)
	return noticeTo(d, ChannelFailing, id, failing, now)
}

func noticeTo(d Delivery, typeName, id string, about any, now time.Time) (Delivery, error) {
	data, err := json.Marshal(about)
	if err != nil {
		return Delivery{}, fmt.Errorf("encode a notice of type %s: %w", typeName, err)
	}
	return Delivery{
		Event: Event{
			ID: id, Source: "tocsin", Type: typeName, Account: d.Event.Account, User: d.User,
			Subject: "channel/" + d.Channel + "/" + d.Target, Time: now, Data: data,
		},
		User: d.User, Channel: NoticeChannel, Target: "main", Planned: now,
	}, nil
}
