package pages_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

var screens = flag.String("screens", "", "folder to put pictures of all pages into, for people to look at")

// TestScreens makes pictures; whether they are good is for people to say.
func TestScreens(t *testing.T) {
	if *screens == "" {
		t.Skip("no -screens")
	}
	i := install(t, publicly{})
	i.furnish()
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{360, 780}, {1080, 900}} {
			b := i.browser()
			b.Emulate(size[0], size[1], scheme)
			b.Do(chromedp.Navigate(i.link("ada")))
			for _, tab := range []string{"events", "channels", "deliveries"} {
				b.Do(chromedp.Navigate(i.url + "/settings/ada/" + tab))
				picture := get(b, chromedp.FullScreenshot(100))
				name := fmt.Sprintf("%s-%s-%d.png", tab, scheme, size[0])
				require.NoError(t, os.WriteFile(filepath.Join(*screens, name), picture, 0o600))
			}
			b.Do(chromedp.Navigate(i.url+"/settings/ada/channels"), click("#webhook .test button"))
			b.says("#webhook .report", "Delivered")
			get(b, chromedp.Evaluate[bool](`{ for (const d of document.querySelectorAll("#webhook details")) d.open = true; true }`))
			name := fmt.Sprintf("webhook-%s-%d.png", scheme, size[0])
			require.NoError(t, os.WriteFile(filepath.Join(*screens, name), get(b, chromedp.Screenshot(chromedp.CSS("#webhook"))), 0o600))
		}
	}
}

// furnish makes a user with everything there is to see.
func (i *installation) furnish() {
	i.t.Helper()
	i.target("ada", "webhook", "main", map[string]string{"url": i.hook.URL() + "/broken", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	i.target("ada", "hipchat", "main", map[string]string{"token": "room-token", "room": room})
	i.hook.Answer("/broken", farend.HookAnswer{Status: http.StatusInternalServerError})
	v := i.opened("ada")
	v.post("/settings/ada/events", map[string][]string{"set": {"stack.redeploy.ok/email=off stack.deploy.started/webhook=on job.backon/hipchat=off"}})
	for n, typeName := range []string{"stack.redeploy.fail", "server.stopped", "stack.redeploy.ok"} {
		i.publish(typeName, fmt.Sprint("e", n))
		i.settled("ada", 3*(n+1)-n/2)
	}
}
