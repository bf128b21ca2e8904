package farend

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func startHipChat(t *testing.T) (*HipChat, *Log) {
	t.Helper()
	log := &Log{}
	server, err := NewHipChat(log, map[string]string{"Ops": "t-ops", "R & D": "t-rd"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server, log
}

// exchange returns status, header and body of the answer.
func exchange(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(body)
}

func (h *HipChat) form(t *testing.T, changed map[string]string) (int, http.Header, string) {
	t.Helper()
	form := url.Values{"auth_token": {"t-ops"}, "room_id": {"Ops"}, "from": {"Tocsin"}, "message": {"<b>Down</b><br/>R&amp;D"}}
	for name, value := range changed {
		form.Set(name, value)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL()+"/v1/rooms/message", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return exchange(t, req)
}

func TestHipChatV1(t *testing.T) {
	t.Parallel()
	server, log := startHipChat(t)
	status, header, body := server.form(t, nil)
	require.Equal(t, 200, status)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	require.JSONEq(t, `{"status":"sent"}`, body)
	received, _ := log.Since(0)
	require.Len(t, received, 1)
	r := received[0]
	require.Equal(t, []string{"hipchat", "Ops", "Down", "Down\nR&D", "<b>Down</b><br/>R&amp;D", "200", ""},
		[]string{r.Channel, r.To, r.Title, r.Text, r.HTML, r.Status, r.Delivery})
	status, _, _ = server.form(t, map[string]string{"room_id": "R & D", "message_format": "text", "message": "a < b", "color": "red", "notify": "1"})
	require.Equal(t, 200, status, "a v1 token is good for every room")
}

func TestHipChatV1Refuses(t *testing.T) {
	t.Parallel()
	server, _ := startHipChat(t)
	for _, c := range []struct {
		status int
		form   map[string]string
	}{
		{401, map[string]string{"auth_token": "t-other"}},
		{401, map[string]string{"auth_token": ""}},
		{202, map[string]string{"auth_test": "true"}},
		{404, map[string]string{"room_id": "Elsewhere"}},
		{400, map[string]string{"from": ""}},
		{400, map[string]string{"from": "exactly15chars."}},
		{400, map[string]string{"from": "fifteen letters"}},
		{400, map[string]string{"from": "Tocsin <x>"}},
		{200, map[string]string{"from": "fourteen chars"}},
		{400, map[string]string{"message": ""}},
		{400, map[string]string{"message": strings.Repeat("x", 10_001)}},
		{200, map[string]string{"message": strings.Repeat("ä", 10_000)}},
		{400, map[string]string{"message": "<b>open"}},
		{400, map[string]string{"message": "a & b"}},
		{400, map[string]string{"message": "a <script>b</script>"}},
		{400, map[string]string{"color": "blue"}},
		{400, map[string]string{"message_format": "markdown"}},
		{400, map[string]string{"notify": "true"}},
	} {
		status, _, body := server.form(t, c.form)
		require.Equal(t, c.status, status, "%v", c.form)
		if status >= 400 {
			requireEnvelope(t, status, body)
		}
	}
}

func requireEnvelope(t *testing.T, status int, body string) {
	t.Helper()
	var envelope struct {
		Error struct {
			Code          int
			Type, Message string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &envelope))
	require.Equal(t, status, envelope.Error.Code)
	require.Equal(t, http.StatusText(status), envelope.Error.Type)
	require.NotEmpty(t, envelope.Error.Message)
}

func TestHipChatLimitsATokenTo100(t *testing.T) {
	t.Parallel()
	server, _ := startHipChat(t)
	for range 100 {
		status, _, _ := server.form(t, nil)
		require.Equal(t, 200, status)
	}
	status, header, body := server.form(t, nil)
	require.Equal(t, 403, status)
	requireEnvelope(t, status, body)
	require.Equal(t, "0", header.Get("X-RateLimit-Remaining"))
	require.Equal(t, "100", header.Get("X-RateLimit-Limit"))
	reset, err := strconv.ParseInt(header.Get("X-RateLimit-Reset"), 10, 64)
	require.NoError(t, err)
	require.False(t, time.Unix(reset, 0).After(time.Now().Add(5*time.Minute)))
	status, _, _ = server.form(t, map[string]string{"auth_token": "t-rd"})
	require.Equal(t, 200, status, "another token has a limit of its own")
	server.Limit(0, 0)
	status, _, _ = server.form(t, nil)
	require.Equal(t, 200, status)
}

func (h *HipChat) json(t *testing.T, room, token string, changed map[string]any) (int, http.Header, string) {
	t.Helper()
	sent := map[string]any{"message": "<b>Down</b>", "from": "Tocsin", "color": "red", "notify": true}
	maps.Copy(sent, changed)
	encoded, err := json.Marshal(sent)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL()+"/v2/room/"+url.PathEscape(room)+"/notification", strings.NewReader(string(encoded)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	return exchange(t, req)
}

func TestHipChatV2(t *testing.T) {
	t.Parallel()
	server, log := startHipChat(t)
	for _, c := range []struct {
		status      int
		room, token string
		changed     map[string]any
	}{
		{204, "R & D", "t-rd", nil},
		{401, "Ops", "t-other", nil},
		{403, "Ops", "t-rd", nil},
		{404, "Elsewhere", "t-ops", nil},
		{400, "Ops", "t-ops", map[string]any{"message": ""}},
		{400, "Ops", "t-ops", map[string]any{"notify": "1"}},
		{400, "Ops", "t-ops", map[string]any{"color": "blue"}},
		{400, "Ops", "t-ops", map[string]any{"from": strings.Repeat("x", 65)}},
		{204, "Ops", "t-ops", map[string]any{"card": card(nil)}},
		{204, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"icon": map[string]string{"url": "https://example.com/x.png"}, "attributes": attributes("Branch", "main", "lozenge")})}},
		{400, "Ops", "t-ops", map[string]any{"card": "x"}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"id": ""})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"title": strings.Repeat("x", 501)})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"style": "poster"})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"format": "large"})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"description": map[string]string{}})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"url": "/stacks"})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"colour": "red"})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"attributes": attributes("Branch", "", "")})}},
		{400, "Ops", "t-ops", map[string]any{"card": card(map[string]any{"attributes": attributes("Branch", "main", "red")})}},
	} {
		status, _, body := server.json(t, c.room, c.token, c.changed)
		require.Equal(t, c.status, status, "%v", c)
		if status >= 400 {
			requireEnvelope(t, status, body)
		} else {
			require.Empty(t, body)
		}
	}
	received, _ := log.Since(0)
	require.Equal(t, "R & D", received[0].To)
	require.Equal(t, "204", received[0].Status)
}

// card is a good one with these members changed.
func card(changed map[string]any) map[string]any {
	c := map[string]any{"style": "application", "id": "1", "format": "medium", "title": "Down", "url": "https://app.example.com/",
		"description": map[string]string{"format": "text", "value": "Process is down"}}
	maps.Copy(c, changed)
	return c
}

func attributes(label, value, style string) []any {
	return []any{map[string]any{"label": label, "value": map[string]string{"label": value, "style": style}}}
}

func TestHipChatTellsWhatIsLeft(t *testing.T) {
	t.Parallel()
	server, _ := startHipChat(t)
	server.RoomLimit(3, time.Minute)
	_, v1, _ := server.form(t, nil)
	_, v2, _ := server.json(t, "Ops", "t-ops", nil)
	require.Equal(t, []string{"99", "98", "2"}, []string{
		v1.Get("X-RateLimit-Remaining"), v2.Get("X-RateLimit-Remaining"), v2.Get("X-FloodControl-Remaining")})
	server.Limit(0, 0)
	_, v1, _ = server.form(t, nil)
	require.Empty(t, v1.Get("X-RateLimit-Remaining"))
}

func TestHipChatV2LimitsARoomTo30(t *testing.T) {
	t.Parallel()
	server, _ := startHipChat(t)
	for range 30 {
		status, _, _ := server.json(t, "Ops", "t-ops", nil)
		require.Equal(t, 204, status)
	}
	status, header, _ := server.json(t, "Ops", "t-ops", nil)
	require.Equal(t, 429, status)
	require.Equal(t, "0", header.Get("X-FloodControl-Remaining"))
	require.NotEmpty(t, header.Get("X-FloodControl-Reset"))
	require.Empty(t, header.Get("X-RateLimit-Remaining"))
}

func TestHipChatAnswersAsTold(t *testing.T) {
	t.Parallel()
	server, log := startHipChat(t)
	server.Answer("Ops", HookAnswer{Status: 503})
	status, _, _ := server.form(t, map[string]string{"from": ""})
	require.Equal(t, 400, status, "only a good message uses up an answer")
	status, _, _ = server.form(t, nil)
	require.Equal(t, 503, status)
	status, _, _ = server.form(t, nil)
	require.Equal(t, 200, status)
	received, _ := log.Since(0)
	require.Equal(t, []string{"400", "503", "200"}, []string{received[0].Status, received[1].Status, received[2].Status})
	resp := post(t, server.URL()+"/v3/rooms", "application/json", "{}")
	require.Equal(t, 404, resp.StatusCode)
}

func TestQuotaBeginsAnew(t *testing.T) {
	t.Parallel()
	var q quota
	require.True(t, q.take("a"), "the zero value allows any number")
	q.set(1, time.Nanosecond)
	require.True(t, q.take("a"))
	for q.left("a").remaining == 0 { // for a nanosecond
	}
	require.True(t, q.take("a"))
}
