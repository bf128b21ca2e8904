package pages_test

import (
	_ "embed"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
)

//go:embed testdata/axe-core/axe.min.js
var axe string

// violations runs axe-core, with all that is folded opened, and lists what is
// wrong for people who see, hear or move differently.
const violations = `(async () => {
	for (const folded of document.querySelectorAll("details")) folded.open = true;
	const found = await axe.run(document, {resultTypes: ["violations"]});
	if (found.passes.length < 10) return ["axe has looked at next to nothing"];
	return found.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 200) + " " + (n.any[0]?.message ?? "")));
})()`

// shifts sums how far a page has moved while it was built.
const shifts = `new Promise(done => {
	let sum = 0;
	const watch = new PerformanceObserver(list => { for (const e of list.getEntries()) sum += e.value; });
	watch.observe({type: "layout-shift", buffered: true});
	requestAnimationFrame(() => requestAnimationFrame(() => { for (const e of watch.takeRecords()) sum += e.value; done(sum); }));
})`

// foreign lists what a page has asked of other hosts.
const foreign = `performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith(location.origin + "/"))`

// Every page, in both colour schemes, from a phone to a desktop.
func TestPagesAreForEverybody(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.furnish()
	signer, err := unsubscribe.NewSigner(key)
	require.NoError(t, err)
	addresses := []string{
		i.url + "/settings/ada/events", i.url + "/settings/ada/channels", i.url + "/settings/ada/deliveries",
		i.url + "/settings/bob/events", // closed to ada
		i.links.Confirm("ada", "new@example.com", time.Now().Add(time.Hour)),
		signer.Link(i.links.Base(), "ada", "job.fail"),
	}
	b := i.browser(chromedp.Navigate(i.link("ada")))
	for n, scheme := range []string{"light", "dark"} {
		width := []int64{360, 1200}[n]
		b.emulate(width, 900, scheme)
		for _, address := range addresses {
			b.do(chromedp.Navigate(address))
			page := fmt.Sprintf("%s, %s, %d px", get(b, chromedp.Title()), scheme, width)
			require.Less(t, get(b, chromedp.Evaluate[float64](shifts, chromedp.EvalAwaitPromise)), 0.001, page) // of the screen times the way
			require.LessOrEqual(t, get(b, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)), width, page)
			require.Empty(t, get(b, chromedp.Evaluate[[]string](foreign)), page)
			require.True(t, get(b, chromedp.Evaluate[bool](axe+";Boolean(window.axe)")))
			require.Empty(t, get(b, chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise)), page)
		}
	}
}
