package ops_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// From a dead letter to the whole story of its delivery, and on to its end.
func TestTheWholeStoryOfADelivery(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(9)
	i.serveReplays()
	v := i.signedIn(operateKey)
	_, body := v.get("/ops/dead?user=ada")
	letter := regexp.MustCompile(`/ops/dead/\d+`).FindString(body)
	_, body = v.get(letter)
	delivery := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(body)
	story := strings.ReplaceAll(regexp.MustCompile(`/ops/story\?[^"]+`).FindString(body), "&amp;", "&")

	answer, body := v.get(story)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	for _, text := range []string{delivery, "ada", "Given up (Refused for good) at attempt 8", "endpoint answered 404 Not Found", "Its dead letter", "git_branch"} {
		require.Contains(t, body, text)
	}
	require.NotContains(t, body, "s3cr3t")

	answer, _ = v.post("/ops/dead", url.Values{"do": {"plan"}, "seq": {letter[len("/ops/dead/"):]}, "rate": {"100"}})
	v.post(answer.Header.Get("Location"), url.Values{"do": {"start"}})
	i.eventually(func() bool { _, body = v.get(story); return strings.Contains(body, "Delivered at attempt 1") })
	require.Contains(t, body, "Replayed for the 1. time")
	require.Contains(t, body, "answered 200")

	_, body = v.get("/ops/stories?delivery=" + delivery)
	require.Len(t, regexp.MustCompile(`href="/ops/story\?`).FindAllString(body, -1), 1)
	require.Contains(t, body, "Webhook: delivered")
}

func TestStoriesAreFound(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(12)
	v := i.signedIn(viewKey)
	row := regexp.MustCompile(`href="/ops/story\?`)
	for query, want := range map[string]int{
		"":                       12,
		"account=acme":           12,
		"account=other":          0,
		"user=ada":               4,
		"account=acme&user=ada":  4,
		"event=e3":               1,
		"type=job.fail":          4,
		"outcome=dead":           12,
		"outcome=waiting":        0,
		"channel=webhook":        12,
		"channel=email":          0,
		"since=2199-01-01T00:00": 0,
		"until=2199-01-01T00:00": 12,
		"until=2020-01-01T00:00": 0,
		"delivery=none":          0,
	} {
		answer, body := v.get("/ops/stories?" + query)
		require.Equal(t, http.StatusOK, answer.StatusCode, query)
		require.Len(t, row.FindAllString(body, -1), want, query)
	}
	for _, query := range []string{"since=monday", "account=a.b", "user=*"} {
		answer, _ := v.get("/ops/stories?" + query)
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, query)
	}
	for _, query := range []string{"", "account=acme&user=*&source=/test&event=e0", "account=acme&user=ada&source=/test&event=none"} {
		answer, _ := v.get("/ops/story?" + query)
		require.Equal(t, http.StatusNotFound, answer.StatusCode, query)
	}
}

// A page of stories leads to the next, and each is whole although its records lie
// on several pages.
func TestPagesOfStories(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(120)
	v, seen := i.signedIn(viewKey), map[string]bool{}
	path := "/ops/stories"
	for pages := 0; path != "" && pages < 10; pages++ {
		_, body := v.get(path)
		require.NotContains(t, body, "Webhook: waiting")
		for _, story := range regexp.MustCompile(`href="(/ops/story\?[^"]+)"`).FindAllStringSubmatch(body, -1) {
			seen[story[1]] = true
		}
		path = strings.ReplaceAll(strings.Trim(regexp.MustCompile(`"/ops/stories\?before[^"]+"`).FindString(body), `"`), "&amp;", "&")
	}
	require.Len(t, seen, 120)
}
