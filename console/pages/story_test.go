package pages_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
	"tocsin/console/browsertest"
	"tocsin/farend"
	"tocsin/prefs"
)

// click waits for an element, and clicks it.
func click(selector chromedp.CSS) step {
	return chromedp.Click(selector, chromedp.NodeVisible)
}

func (b *browser) text(selector chromedp.CSS) string {
	b.t.Helper()
	return get(b, chromedp.Text(selector))
}

// says waits until an element shows a text.
func (b *browser) says(selector, text string) {
	b.t.Helper()
	b.Until(`document.querySelector("` + selector + `")?.innerText.includes("` + text + `")`)
}

func (i *installation) choice(user, typeName, channel string) prefs.Choice {
	i.t.Helper()
	choices, _, err := i.store.Choices(i.t.Context(), user, []string{channel})
	require.NoError(i.t, err)
	for _, c := range choices {
		if c.Type == typeName {
			return c
		}
	}
	i.t.Fatalf("no choice for %s", typeName)
	return prefs.Choice{}
}

// arrived waits for the n-th arrival at a path of the webhook receiver, counted
// from 1.
func (i *installation) arrived(path string, n int) farend.Received {
	i.t.Helper()
	for {
		all, more := i.received.Since(0)
		count := 0
		for _, r := range all {
			if r.To == path {
				if count++; count == n {
					return r
				}
			}
		}
		select {
		case <-more:
		case <-time.After(browsertest.Patience):
			i.t.Fatalf("%d things arrived, and %d at %s", len(all), count, path)
		}
	}
}

// What is sent again, and asked for until it has arrived, comes in the place of
// what somebody reads.
func TestWhatIsReadStaysOpen(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.target("ada", "webhook", "main", map[string]string{"url": i.hook.URL() + "/hook", "secret": hookSecret})
	i.hook.Answer("/hook", farend.HookAnswer{}, farend.HookAnswer{}, farend.HookAnswer{Delay: 3 * time.Second}) // the page asks every two
	i.publish("job.fail", "1")
	i.settled("ada", 2)
	b := i.browser(chromedp.Navigate(i.link("ada")), chromedp.Navigate(i.url+"/settings/ada/deliveries"))
	again := click(".ways li:nth-child(2) form button")
	b.Do(again)
	b.says(".ways li:nth-child(2) summary", "All 3 entries")
	b.Do(chromedp.Focus(chromedp.CSS(".ways summary")), chromedp.KeyEvent(kb.Enter))
	b.Until(`document.querySelector(".ways details[open]")`)
	b.Do(again, chromedp.Evaluate[chromedp.Void](`document.querySelector(".ways summary").focus(); undefined`))
	b.says(".ways details[open] > summary", "All 5 entries")
	b.Until(`document.activeElement?.matches(".ways details[open] > summary")`)
}

func TestAPersonDecides(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	b := i.browser(chromedp.Navigate(i.link("ada")))
	require.Equal(t, i.url+"/settings/ada/events", get(b, chromedp.Location()), "the signature has left the address bar")

	// A switch is saved at once, says so, keeps the focus, and can be undone.
	b.Do(click("#job-fail-email"))
	b.says("#status", "Job run failed: Email is off.")
	b.Until(`document.activeElement.id == "job-fail-email" && document.activeElement.getAttribute("aria-checked") == "false"`)
	require.True(t, i.choice("ada", "job.fail", "email").Chosen)
	require.False(t, i.choice("ada", "job.fail", "email").Wanted)
	b.says("#legend", "One switch was changed by you")
	b.Do(click("#undo"))
	b.says("#status", "back to the default, on")
	b.Until(`document.querySelector("#job-fail-email").getAttribute("aria-checked") == "true"`)
	b.says("#legend", "All switches follow the defaults")
	require.False(t, i.choice("ada", "job.fail", "email").Chosen, "undone is as it was, not the same chosen")

	// A whole row, a whole column, and back.
	b.Do(click(`[aria-label="All channels for Process is down"]`), click(`details[open] button:nth-of-type(2)`))
	b.says("#status", "Process is down: Email is off.")
	b.Do(click(`[aria-label="All events by Email"]`), click(`details[open] button:nth-of-type(2)`))
	b.says("#status", "Email for all events: off.")
	b.says("#legend", "13 switches")
	b.Do(click("#legend button"))
	b.says("#legend", "All switches follow the defaults")
	require.False(t, i.choice("ada", "process.down", "email").Chosen)

	// A channel that is not set up leads to its set-up.
	b.Do(click(`thead a[href$="#set-up-webhook"]`))
	b.Until(`document.querySelector("#webhook-url")?.checkVisibility()`)
	b.Do(chromedp.SendKeys(chromedp.CSS("#webhook-url"), i.hook.URL()+"/mine"), click(`#set-up-webhook button[value=save]`))
	b.says("#status", "Webhook: saved.")
	secret := b.text("#webhook .once code")
	require.True(t, strings.HasPrefix(secret, "whsec_"), secret)
	i.hook.Verify("/mine", secret)

	// A test goes the real way, signed, and shows what was answered.
	b.Do(click(`#webhook .test button`))
	b.says("#webhook .report", "Delivered")
	require.Contains(t, b.text("#webhook .report"), "200")
	require.NotContains(t, get(b, chromedp.OuterHTML(chromedp.CSS("html"))), secret, "the secret is shown once")
	require.Equal(t, "200", i.arrived("/mine", 1).Status)

	// What happened is told, and can be sent again.
	i.publish("stack.redeploy.fail", "first")
	i.settled("ada", 2)
	b.Do(chromedp.Navigate(i.url + "/settings/ada/deliveries"))
	b.says("#stories", "Redeploy of Harbour failed")
	b.says(".ways li:nth-child(2) .outcome", "Delivered")
	b.says(".skipped", "iOS push: not set up")
	b.Do(click(".ways li:nth-child(2) form button"))
	b.says("#status", "It is on its way again.")
	b.says(".ways li:nth-child(2) summary", "All 3 entries") // by itself, once it has arrived
	require.Equal(t, i.arrived("/mine", 2).Delivery, i.arrived("/mine", 3).Delivery, "sent again under its id")

	// The secret is rotated.
	b.Do(chromedp.Navigate(i.url+"/settings/ada/channels"), click("#webhook > .fold > summary"), click(`#webhook button[value="renew:secret"]`))
	b.says("#webhook .once", "whsec_")
	require.NotEqual(t, secret, b.text("#webhook .once code"))
	i.hook.Verify("/mine", b.text("#webhook .once code"))
	b.Do(click(`#webhook .test button`))
	b.says("#webhook .report", "Delivered")

	// The link in a mail stops mails of its type, and leads back.
	signer, err := unsubscribe.NewSigner(key)
	require.NoError(t, err)
	b.Do(chromedp.Navigate(signer.Link(i.links.Base(), "ada", "server.backon")))
	require.True(t, i.choice("ada", "server.backon", "email").Wanted, "looking at it changes nothing")
	b.Do(click("form button"))
	b.says("h1", "These mails are off")
	require.False(t, i.choice("ada", "server.backon", "email").Wanted)
	b.Do(click(".more a"))
	b.Until(`document.querySelector("#server-backon-email")?.getAttribute("aria-checked") == "false"`)
}

// Everything but the waiting page can be done without JavaScript.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	b := i.browser(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}), chromedp.Navigate(i.link("ada")))

	b.Do(click("#job-fail-email"))
	b.says("#status", "Job run failed: Email is off.")
	require.False(t, i.choice("ada", "job.fail", "email").Wanted)
	b.Do(click("#undo"))
	b.says("#status", "back to the default, on")
	require.False(t, i.choice("ada", "job.fail", "email").Chosen)

	b.Do(click(`thead a[href$="#set-up-webhook"]`))
	b.Until(`document.querySelector("#webhook-url")?.checkVisibility()`)
	b.Do(chromedp.SendKeys(chromedp.CSS("#webhook-url"), "ftp://nowhere"), click(`#set-up-webhook button[value=save]`))
	b.Until(`document.querySelector("#webhook-url[aria-invalid=true]")?.value == "ftp://nowhere"`) // what was entered is kept
	b.Do(chromedp.SetValue(chromedp.CSS("#webhook-url"), i.hook.URL()+"/plain"), click(`#set-up-webhook button[value=save]`))
	b.says("#webhook .once", "whsec_")
	b.Do(click(`#webhook .test button`))
	b.says("#webhook .report", "Delivered")

	i.publish("stack.redeploy.ok", "plain")
	i.settled("ada", 2)
	b.Do(click(`nav a[href$="/deliveries"]`))
	b.says("#stories", "Redeploy of Harbour succeeded")
	b.Do(click(".ways li:nth-child(2) form button"))
	b.says("#status", "It is on its way again.")
	i.arrived("/plain", 3)
}

func TestByKeyboardAlone(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.target("ada", "hipchat", "main", map[string]string{"token": "room-token", "room": room})
	b := i.browser(chromedp.Navigate(i.link("ada")))
	focused := func(selector string) { t.Helper(); b.Until(`document.activeElement?.matches("` + selector + `")`) }

	b.Do(chromedp.KeyEvent(kb.Tab))
	focused(".skip")
	b.Do(chromedp.KeyEvent(kb.Enter))
	focused("#main")
	for range 20 { // past the column's menus and links to the first row's switches
		if get(b, chromedp.Evaluate[bool](`document.activeElement.matches(".switch")`)) {
			break
		}
		b.Do(chromedp.KeyEvent(kb.Tab))
	}
	focused("#stack-provision-ok-email")
	b.Do(chromedp.KeyEvent(" "))
	b.says("#status", "Stack provisioned successfully: Email is off.")
	focused("#stack-provision-ok-email")
	b.Do(chromedp.KeyEvent(kb.ArrowRight)) // past iOS, which is not set up
	focused("#stack-provision-ok-hipchat")
	b.Do(chromedp.KeyEvent(kb.ArrowDown))
	focused("#stack-provision-fail-hipchat")
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.says("#status", "Stack provision failed: HipChat is off.")

	b.Do(chromedp.Focus(chromedp.CSS(`[aria-label="All channels for Stack provision failed"]`)), chromedp.KeyEvent(kb.Enter))
	b.Until(`document.querySelector("details.menu[open]")`)
	b.Do(chromedp.KeyEvent(kb.Escape))
	b.Until(`!document.querySelector("details.menu[open]")`)
	focused("summary")
	b.Do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.says("#status", "Stack provision failed: on.")
	focused("summary")
	require.True(t, i.choice("ada", "stack.provision.fail", "hipchat").Wanted)
}
