package slack

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/channels/httpfail"
	"tocsin/channels/outbound"
)

// outcome is what the answer means: docs.slack.dev ("Sending messages using
// incoming webhooks", errors), Mattermost's incoming webhooks, Discord's
// webhook resource and rate limits.
func outcome(answer *outbound.Answer, started time.Time) error {
	if answer.Delivered() {
		return nil
	}
	f := answer.Failure("chat server")
	said := wordOf(answer.Body)
	if said != "" {
		f.Status = strconv.Itoa(answer.Status) + " " + said
		f.Err = fmt.Errorf("%w: %s", f.Err, said)
	}
	if gone(answer.Status, said) {
		f.Kind, f.Since = channels.Gone, started
	}
	if f.Kind == channels.Temporary {
		f.Wait = max(f.Wait, retryAfter(answer.Body))
	}
	return f
}

// gone reports whether the webhook itself is no more. Discord bans an address
// that goes on asking after 401 or 404 (10,000 invalid requests in 10
// minutes), so both end it whatever they say; but a channel that was not found
// may be found again, once its owner opens it to the webhook.
func gone(status int, said string) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusGone:
		return true
	case http.StatusNotFound:
		return !slices.Contains(lostWords, said)
	}
	return slices.Contains(endWords, said)
}

// endWords say, with 400 or 403 depending on the server, that there is no such
// webhook any more.
var endWords = []string{
	"invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled",
	"channel_is_archived", "web.incoming_webhook.invalid.app_error",
}

// lostWords say that the webhook is there, but not where it posts to.
var lostWords = []string{
	"channel_not_found", "user_not_found",
	"web.incoming_webhook.channel.app_error", "web.incoming_webhook.user.app_error",
}

// words are all that may be repeated of an answer. Whatever else an answer
// says is its sender's text.
var words = slices.Concat(endWords, lostWords, []string{
	"action_prohibited", "admin_owned_action", "invalid_attachments", "invalid_blocks", "invalid_payload",
	"missing_text_or_fallback_or_attachments", "no_text", "posting_to_general_channel_denied", "rate_limited",
	"rollup_error", "too_many_attachments", "web.incoming_webhook.disabled.app_error",
	"web.incoming_webhook.parse.app_error", "web.incoming_webhook.permissions.app_error",
	"web.incoming_webhook.text.app_error",
})

// wordOf knows what an answer says: Slack says a word, Mattermost an object
// with an id.
func wordOf(body []byte) string {
	said := strings.TrimSpace(string(body))
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &object) == nil {
		said = object.ID
	}
	if slices.Contains(words, said) {
		return said
	}
	return ""
}

// retryAfter reads how many seconds Discord asks to wait, a number that may
// have a fraction, and rounds it up to whole ones. What is malformed or not
// above 0 counts as no wish.
func retryAfter(body []byte) time.Duration {
	var object struct {
		RetryAfter float64 `json:"retry_after"`
	}
	if json.Unmarshal(body, &object) != nil || !(object.RetryAfter > 0) {
		return 0
	}
	if object.RetryAfter >= httpfail.LongestWait.Seconds() {
		return httpfail.LongestWait
	}
	return time.Duration(math.Ceil(object.RetryAfter)) * time.Second
}
