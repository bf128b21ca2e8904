package farend

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// HipChat is a HipChat server with the room messages of API v1 and v2. The
// public one closed in 2019, so it goes by HipChat's API documents
// (rooms/message, auth, rate_limiting; send_room_notification of v2), and
// where these and the clients of the time differ by the stricter.
type HipChat struct {
	log      *Log
	server   *webServer
	rooms    map[string]string // token by room
	scripted script            // by room
	requests quota             // by token
	messages quota             // by room, v2 only
}

// Limits of the documents: requests of one token, and v2 messages to one room.
const (
	hipChatRequests       = 100
	hipChatRequestsPer    = 5 * time.Minute
	hipChatRoomMessages   = 30
	hipChatRoomMessagePer = time.Minute
)

// NewHipChat starts a server on a free port of 127.0.0.1. rooms gives the
// token of each room by its name. API v1 takes any of the tokens for any room,
// as its Notification tokens belonged to the whole group; API v2 takes each
// only for its room.
func NewHipChat(log *Log, rooms map[string]string) (*HipChat, error) {
	h := &HipChat{log: log, rooms: rooms}
	h.Limit(hipChatRequests, hipChatRequestsPer)
	h.RoomLimit(hipChatRoomMessages, hipChatRoomMessagePer)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/rooms/message", h.v1)
	mux.HandleFunc("POST /v2/room/{room}/notification", h.v2)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		hipChatError(http.StatusNotFound, "Method not found").write(w)
	})
	server, err := serveWeb(mux)
	if err != nil {
		return nil, fmt.Errorf("start HipChat server: %w", err)
	}
	h.server = server
	return h, nil
}

// URL is the base URL, to which /v1 and /v2 are added.
func (h *HipChat) URL() string { return h.server.url }

// Close ends the server and whatever it is answering.
func (h *HipChat) Close() error { return h.server.close() }

// Limit sets how many requests a token may make in a time; 0: any number. It
// is 100 in 5 minutes otherwise.
func (h *HipChat) Limit(requests int, per time.Duration) { h.requests.set(requests, per) }

// RoomLimit sets how many messages a room takes by API v2 in a time; 0: any
// number. It is 30 in a minute otherwise.
func (h *HipChat) RoomLimit(messages int, per time.Duration) { h.messages.set(messages, per) }

// Answer sets what the next good messages to a room are answered, one each,
// instead of being taken.
func (h *HipChat) Answer(room string, answers ...HookAnswer) { h.scripted.add(room, answers) }

// finish records the message and answers: with the refusal if there is one,
// else as scripted, else with what says that it was sent.
func (h *HipChat) finish(w http.ResponseWriter, r *http.Request, m roomMessage, said hipChatReply) {
	answer := HookAnswer{Status: said.status}
	scripted, isScripted := HookAnswer{}, false
	if said.sent {
		scripted, isScripted = h.scripted.next(m.room)
	}
	if isScripted {
		answer = scripted
	}
	h.log.Record(Received{
		At:      time.Now(),
		Channel: "hipchat",
		To:      m.room,
		Title:   firstLine(m.text),
		Text:    m.text,
		HTML:    m.html,
		Raw:     m.raw,
		Status:  answer.label(),
	})
	if isScripted {
		answer.write(w, r)
		return
	}
	said.write(w)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// hipChatReply is one answer in HipChat's own form.
type hipChatReply struct {
	status int
	sent   bool // the message is taken
	header http.Header
	body   string
}

func (a hipChatReply) write(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.body != "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body)) // the caller may have gone
}

// hipChatError has the error envelope of both API versions.
func hipChatError(status int, message string) hipChatReply {
	return hipChatReply{status: status, body: fmt.Sprintf(
		`{"error":{"code":%d,"type":%q,"message":%q}}`, status, http.StatusText(status), message)}
}

// Beginnings of the headers that tell a token's limit and a room's.
const (
	tokenLimit = "X-Ratelimit-"
	roomLimit  = "X-Floodcontrol-"
)

// limited is the answer to one request too many.
func limited(status int, prefix string, q *quota, key string) hipChatReply {
	a := hipChatError(status, "Rate limit exceeded")
	a.header = http.Header{}
	tell(a.header, prefix, q.left(key))
	return a
}

// tell adds the headers of one limit; without a limit there are none.
func tell(h http.Header, prefix string, a allowance) {
	if a.limit == 0 {
		return
	}
	h[prefix+"Limit"] = []string{strconv.Itoa(a.limit)}
	h[prefix+"Remaining"] = []string{strconv.Itoa(a.remaining)}
	h[prefix+"Reset"] = []string{strconv.FormatInt(a.reset.Unix(), 10)}
}
