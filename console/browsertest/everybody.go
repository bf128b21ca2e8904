package browsertest

import (
	_ "embed"
	"fmt"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

//go:embed axe-core/axe.min.js
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

// IsForEverybody opens a page and demands that it does not move while it is
// built, fits, asks nothing of other hosts, and that axe-core finds no fault.
func (b *Browser) IsForEverybody(address string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(address))
	width := Get(b, chromedp.Evaluate[int64](`window.innerWidth`))
	page := fmt.Sprintf("%s, %d px", Get(b, chromedp.Title()), width)
	require.Less(b.t, Get(b, chromedp.Evaluate[float64](shifts, chromedp.EvalAwaitPromise)), 0.001, page) // of the screen times the way
	require.LessOrEqual(b.t, Get(b, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)), width, page)
	require.Empty(b.t, Get(b, chromedp.Evaluate[[]string](foreign)), page)
	require.True(b.t, Get(b, chromedp.Evaluate[bool](axe+";Boolean(window.axe)")))
	require.Empty(b.t, Get(b, chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise)), page)
}
