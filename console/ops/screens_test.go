package ops_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tocsin/console/browsertest"
	"tocsin/queue"
)

var screens = flag.String("screens", "", "folder to put pictures of all pages into, for people to look at")

// pages are the addresses of every page, on an installation with everything that
// there is to see.
func (i *installation) pages(letters int) map[string]string {
	i.t.Helper()
	i.kill(letters)
	planned, err := i.replays.Plan(i.t.Context(), queue.LetterFilter{Host: "hooks.example.com"}, 200)
	require.NoError(i.t, err)
	paused, err := i.replays.Plan(i.t.Context(), queue.LetterFilter{User: "eve", Reason: "no host"}, 20)
	require.NoError(i.t, err)
	_, err = i.replays.Start(i.t.Context(), paused.ID)
	require.NoError(i.t, err)
	v := i.signedIn(operateKey)
	v.post("/ops/replays/"+paused.ID, map[string][]string{"do": {"pause"}})
	i.signedIn(viewKey).post("/ops/replays/"+paused.ID, map[string][]string{"do": {"start"}})
	v.post("/ops/replays/"+planned.ID, map[string][]string{"do": {"pause"}})
	i.hour()
	i.breakHosts()
	return map[string]string{
		"fleet": "/ops/fleet", "endpoints": "/ops/endpoints",
		"dead": "/ops/dead", "dead-filtered": "/ops/dead?user=eve&cause=exhausted", "dead-none": "/ops/dead?user=nobody", "letter": "/ops/dead/1",
		"counts": "/ops/dead/counts", "replays": "/ops/replays", "replay-planned": "/ops/replays/" + planned.ID, "replay": "/ops/replays/" + paused.ID,
		"audit": "/ops/audit", "stories": "/ops/stories", "story": "/ops/story?account=acme&user=ada&source=/test&event=e0", "no-letter": "/ops/dead/99999", "no-page": "/ops/nothing",
	}
}

// TestScreens makes pictures; whether they are good is for people to say.
func TestScreens(t *testing.T) {
	if *screens == "" {
		t.Skip("no -screens")
	}
	i := install(t, opsKeys)
	pages := i.pages(64)
	b := i.browser(operateKey)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			b.Emulate(width, 900, scheme)
			for name, path := range pages {
				b.Do(chromedp.Navigate(i.url + path))
				picture := browsertest.Get(b, chromedp.FullScreenshot(100))
				require.NoError(t, os.WriteFile(filepath.Join(*screens, fmt.Sprintf("%s-%s-%d.png", name, scheme, width)), picture, 0o600))
			}
		}
	}
	out := chromium.Open(t)
	out.Emulate(390, 700, "light")
	out.Do(chromedp.Navigate(i.url + "/ops"))
	require.NoError(t, os.WriteFile(filepath.Join(*screens, "sign-in.png"), browsertest.Get(out, chromedp.FullScreenshot(100)), 0o600))
}

// Every page, in both colour schemes, from a phone to a desktop, for both roles.
func TestPagesAreForEverybody(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	pages := i.pages(9)
	for n, scheme := range []string{"light", "dark"} {
		b := i.browser([]string{operateKey, viewKey}[n])
		b.Emulate([]int64{360, 1280}[n], 900, scheme)
		for _, path := range pages {
			b.IsForEverybody(i.url + path)
			require.True(t, browsertest.Get(b, chromedp.Evaluate[bool](`(nav => !nav || nav.scrollWidth <= nav.clientWidth)(document.querySelector("nav"))`)), "the tabs fit")
		}
		out := chromium.Open(t)
		out.Emulate([]int64{360, 1280}[n], 900, scheme)
		out.IsForEverybody(i.url + "/ops/sign-in")
	}
}
