package farend

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The paths of the Slack-compatible webhooks that a Slack knows, one in the
// manner of each server: Slack's own, Mattermost's and Discord's.
const (
	SlackHook      = "/services/T0DEV/B0DEV/XXXXXXXXXXXXXXXXXXXXXXXX"
	MattermostHook = "/hooks/xxxxxxxxxxxxxxxxxxxxxxxxxx"
	DiscordHook    = "/api/webhooks/100000000000000001/XXXX-XXXX_XXXX/slack"
)

// Each webhook takes a message a second on average and short bursts
// (docs.slack.dev, "Rate limits").
const (
	slackMessages    = 60
	slackMessagesPer = time.Minute
)

// Slack takes messages at Slack-compatible incoming webhooks. What is wrong
// with a message or a webhook it says as the server whose path it is says it:
// by docs.slack.dev ("Sending messages using incoming webhooks"), Mattermost's
// server (HandleIncomingWebhook) and Discord's documents (resources/webhook).
type Slack struct {
	log      *Log
	server   *webServer
	scripted script // by path
	messages quota  // by path
	mu       sync.Mutex
	removed  map[string]bool // by path
}

// NewSlack starts a server on a free port of 127.0.0.1.
func NewSlack(log *Log) (*Slack, error) {
	s := &Slack{log: log, removed: map[string]bool{}}
	s.Limit(slackMessages, slackMessagesPer)
	server, err := serveWeb(s)
	if err != nil {
		return nil, fmt.Errorf("start Slack server: %w", err)
	}
	s.server = server
	return s, nil
}

// URL is where the server listens, without a path.
func (s *Slack) URL() string { return s.server.url }

// Close ends the server and whatever it is answering.
func (s *Slack) Close() error { return s.server.close() }

// Limit sets how many messages a webhook takes in a time; 0: any number.
func (s *Slack) Limit(messages int, per time.Duration) { s.messages.set(messages, per) }

// Remove makes a webhook unknown.
func (s *Slack) Remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed[path] = true
}

// Answer sets what the next good messages to a webhook are answered, one each,
// instead of being shown.
func (s *Slack) Answer(path string, answers ...HookAnswer) { s.scripted.add(path, answers) }

// ServeHTTP takes one message.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestRequest))
	var m slackMessage
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	answer, taken := s.answer(r, m, err)
	if taken {
		if scripted, ok := s.scripted.next(r.URL.Path); ok {
			answer = scripted
		}
	}
	s.log.Record(Received{
		At:      time.Now(),
		Channel: "slack",
		To:      r.URL.Path,
		Title:   html.UnescapeString(m.Text),
		Text:    m.readable(),
		Raw:     rawRequest(r, body),
		Status:  answer.label(),
	})
	answer.write(w, r)
}

// answer says what becomes of a message, and whether it is taken.
func (s *Slack) answer(r *http.Request, m slackMessage, malformed error) (answer HookAnswer, taken bool) {
	flavour := flavourOf(r.URL.Path)
	switch {
	case r.Method != http.MethodPost:
		return HookAnswer{Status: http.StatusMethodNotAllowed}, false
	case !s.knows(r.URL.Path):
		return flavour.unknown(r.URL.Path), false
	case malformed != nil || !isJSON(r.Header, []byte("{}")):
		return flavour.refused("invalid_payload"), false
	}
	if problem := m.problem(); problem != "" {
		return flavour.refused(problem), false
	}
	if !s.messages.take(r.URL.Path) {
		return flavour.limited(time.Until(s.messages.left(r.URL.Path).reset)), false
	}
	return flavour.accepted(), true
}

func (s *Slack) knows(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.removed[path] && (path == SlackHook || path == MattermostHook || path == DiscordHook)
}

// slackFlavour is the manner in which a kind of server answers.
type slackFlavour string

const (
	slackOwn   slackFlavour = "slack"
	mattermost slackFlavour = "mattermost"
	discord    slackFlavour = "discord"
)

func flavourOf(path string) slackFlavour {
	switch {
	case strings.HasPrefix(path, "/hooks/"):
		return mattermost
	case strings.HasPrefix(path, "/api/webhooks/"):
		return discord
	}
	return slackOwn
}

func (f slackFlavour) accepted() HookAnswer {
	if f == discord { // with /slack, wait=true is the default
		return inJSON(http.StatusOK, map[string]any{"id": "100000000000000002", "type": 0})
	}
	return inText(http.StatusOK, "ok")
}

func (f slackFlavour) unknown(path string) HookAnswer {
	switch {
	case f == mattermost:
		return mattermostError(http.StatusBadRequest, "web.incoming_webhook.invalid.app_error")
	case f == discord && path != DiscordHook && strings.HasPrefix(path, "/api/webhooks/100000000000000001/"):
		return inJSON(http.StatusUnauthorized, map[string]any{"message": "Invalid Webhook Token", "code": 50027})
	case f == discord:
		return inJSON(http.StatusNotFound, map[string]any{"message": "Unknown Webhook", "code": 10015})
	case strings.HasPrefix(path, "/services/T0DEV/"):
		return inText(http.StatusNotFound, "no_service")
	}
	return inText(http.StatusNotFound, "no_team")
}

func (f slackFlavour) refused(word string) HookAnswer {
	switch f {
	case mattermost:
		return mattermostError(http.StatusBadRequest, "web.incoming_webhook.parse.app_error")
	case discord:
		return inJSON(http.StatusBadRequest, map[string]any{"message": "Invalid Form Body", "code": 50035})
	}
	return inText(http.StatusBadRequest, word)
}

func (f slackFlavour) limited(wait time.Duration) HookAnswer {
	answer := inText(http.StatusTooManyRequests, "rate_limited")
	if f == discord {
		answer = inJSON(http.StatusTooManyRequests, map[string]any{
			"message": "You are being rate limited.", "retry_after": wait.Seconds(), "global": false})
	}
	answer.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return answer
}

func inText(status int, text string) HookAnswer {
	return HookAnswer{Status: status, Text: text, Header: http.Header{"Content-Type": {"text/plain"}}}
}

func inJSON(status int, object map[string]any) HookAnswer {
	text, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("an answer is not JSON: %v", err))
	}
	return HookAnswer{Status: status, Text: string(text), Header: http.Header{"Content-Type": {"application/json"}}}
}

func mattermostError(status int, id string) HookAnswer {
	return inJSON(status, map[string]any{"id": id, "message": "Invalid webhook.", "status_code": status})
}
