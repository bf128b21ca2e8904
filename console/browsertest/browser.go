// Package browsertest drives a real browser in the tests of pages.
package browsertest

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Patience is how long a browser on a loaded machine may take for one step.
const Patience = 30 * time.Second

// Step is one thing to do in a browser.
type Step = chromedp.Action[chromedp.Void]

// Chromium is one process for all tests of a package; each test has a browser
// context of its own in it, with its own cookies. The zero value starts with the
// first.
type Chromium struct {
	once sync.Once
	ctx  context.Context
	err  error
}

// Close ends the process, if there is one. It is for TestMain.
func (c *Chromium) Close() {
	if c.ctx != nil {
		_ = chromedp.Cancel(c.ctx) // it may be gone already
	}
}

func (c *Chromium) start() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		c.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(Patience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	c.ctx, _ = chromedp.NewContext(allocator)
	c.err = chromedp.Do(c.ctx)
}

// Browser is a browser of one test.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Open opens one, which closes with the test.
func (c *Chromium) Open(t testing.TB) *Browser {
	t.Helper()
	c.once.Do(c.start)
	require.NoError(t, c.err, "chromium; make test installs it")
	ctx, end := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	require.NoError(t, chromedp.Do(ctx))
	return &Browser{t, ctx}
}

// Do takes one step after another.
func (b *Browser) Do(steps ...Step) {
	b.t.Helper()
	for _, s := range steps {
		Get(b, s)
	}
}

// Get takes one step within Patience.
func Get[T any](b *Browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	require.NoError(b.t, err)
	return value
}

// Until waits for an expression to be true in the page. It asks from outside,
// because the page's own policy forbids it to make scripts of texts.
func (b *Browser) Until(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, Patience)
		defer cancel()
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && is
	}, Patience, 50*time.Millisecond, expression)
}

// Emulate sets a size in CSS pixels and a colour scheme, "light" or "dark".
func (b *Browser) Emulate(width, height int64, scheme string) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}
