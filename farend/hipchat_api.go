package farend

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// roomMessage is what either API version is asked to show in a room.
type roomMessage struct {
	room, from, format, color string
	html                      string // the message, if that is its format
	text                      string // the message as people read it
	raw                       string // the request as it came
}

// v1 is POST /v1/rooms/message: a form, with the token in it or in the query.
func (h *HipChat) v1(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestRequest))
	form, badForm := url.ParseQuery(string(body))
	m := roomMessage{
		room:   form.Get("room_id"),
		from:   form.Get("from"),
		format: form.Get("message_format"),
		color:  form.Get("color"),
		raw:    rawRequest(r, body),
	}
	if err != nil || badForm != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		h.finish(w, r, m, hipChatError(http.StatusBadRequest, "The request is not a form"))
		return
	}
	token := form.Get("auth_token")
	if token == "" {
		token = r.URL.Query().Get("auth_token")
	}
	problem := m.read(form.Get("message"), form.Get("notify"))
	if !v1From.MatchString(m.from) {
		problem = "from must have fewer than 15 letters, digits, spaces, - or _"
	}
	h.finish(w, r, m, h.answerV1(m.room, token, form.Get("auth_test") == "true", problem))
}

// v1From: "less than 15 characters" by the document, although later clients
// sent more.
var v1From = regexp.MustCompile(`^[\p{L}\p{N}_ -]{1,14}$`)

func (h *HipChat) answerV1(room, token string, test bool, problem string) hipChatReply {
	if !h.knows(token) {
		return hipChatError(http.StatusUnauthorized, "Auth token invalid. Please see: https://www.hipchat.com/docs/api/auth")
	}
	if !h.requests.take(token) { // v1 says 403, not 429
		return limited(http.StatusForbidden, tokenLimit, &h.requests, token)
	}
	if test {
		return hipChatReply{status: http.StatusAccepted,
			body: `{"success":{"code":202,"type":"Accepted","message":"This auth_token has access to use this method."}}`}
	}
	if _, ok := h.rooms[room]; !ok {
		return hipChatError(http.StatusNotFound, "Room not found")
	}
	if problem != "" {
		return hipChatError(http.StatusBadRequest, problem)
	}
	sent := hipChatReply{status: http.StatusOK, sent: true, header: http.Header{}, body: `{"status":"sent"}`}
	tell(sent.header, tokenLimit, h.requests.left(token))
	return sent
}

func (h *HipChat) knows(token string) bool {
	for _, known := range h.rooms {
		if token != "" && token == known {
			return true
		}
	}
	return false
}

// v2 is POST /v2/room/{id_or_name}/notification: JSON, with a bearer token.
func (h *HipChat) v2(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestRequest))
	var sent struct {
		Message       string `json:"message"`
		MessageFormat string `json:"message_format"`
		Color         string `json:"color"`
		Notify        bool   `json:"notify"`
		From          string `json:"from"`

		Card json.RawMessage `json:"card"`
	}
	badJSON := json.Unmarshal(body, &sent)
	m := roomMessage{
		room:   r.PathValue("room"),
		from:   sent.From,
		format: sent.MessageFormat,
		color:  sent.Color,
		raw:    rawRequest(r, body),
	}
	problem := m.read(sent.Message, "")
	switch {
	case err != nil || badJSON != nil || r.Header.Get("Content-Type") != "application/json":
		problem = "The request body is not valid JSON"
	case utf8.RuneCountInString(sent.From) > 64:
		problem = "from must have at most 64 characters"
	case problem == "" && sent.Card != nil:
		problem = problemOfCard(sent.Card)
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	h.finish(w, r, m, h.answerV2(m.room, token, problem))
}

func (h *HipChat) answerV2(room, token, problem string) hipChatReply {
	if !h.knows(token) {
		return hipChatError(http.StatusUnauthorized, "Invalid OAuth session")
	}
	if !h.requests.take(token) {
		return limited(http.StatusTooManyRequests, tokenLimit, &h.requests, token)
	}
	owner, ok := h.rooms[room]
	if !ok {
		return hipChatError(http.StatusNotFound, "Room not found")
	}
	if owner != token {
		return hipChatError(http.StatusForbidden, "This token is not authorized for this room")
	}
	if problem != "" {
		return hipChatError(http.StatusBadRequest, problem)
	}
	if !h.messages.take(room) {
		return limited(http.StatusTooManyRequests, roomLimit, &h.messages, room)
	}
	sent := hipChatReply{status: http.StatusNoContent, sent: true, header: http.Header{}}
	tell(sent.header, tokenLimit, h.requests.left(token))
	tell(sent.header, roomLimit, h.messages.left(room))
	return sent
}

// longestMessage is the same in both API versions.
const longestMessage = 10_000

// read takes the message in and says what is wrong with it; empty if nothing.
func (m *roomMessage) read(message, notify string) string {
	length := utf8.RuneCountInString(message)
	m.text = message
	if m.format != "text" {
		m.html = message
		text, err := textOfHTML(message)
		if err != nil {
			return "message is not valid HTML: " + err.Error()
		}
		m.text = text
	}
	switch {
	case length == 0 || length > longestMessage:
		return "message must have 1 to 10000 characters"
	case !slices.Contains([]string{"", "html", "text"}, m.format):
		return "message_format must be html or text"
	case !slices.Contains([]string{"", "yellow", "red", "green", "purple", "gray", "random"}, m.color):
		return "color is not one of the colors"
	case !slices.Contains([]string{"", "0", "1"}, notify):
		return "notify must be 0 or 1"
	}
	return ""
}
