package pages_test

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a browser on a loaded machine may take for one step.
const patience = 30 * time.Second

// chromium is one process for all tests; each has a browser context of its own
// in it, with its own cookies.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	started = ctx
	return ctx, chromedp.Do(ctx)
})

// started is what TestMain has to end.
var started context.Context

func TestMain(m *testing.M) {
	code := m.Run()
	if started != nil {
		_ = chromedp.Cancel(started) // it may be gone already
	}
	os.Exit(code)
}

// browser is a real one.
type browser struct {
	*installation
	ctx context.Context
}

type step = chromedp.Action[chromedp.Void]

func (i *installation) browser(steps ...step) *browser {
	i.t.Helper()
	shared, err := chromium()
	require.NoError(i.t, err, "chromium; make test installs it")
	ctx, end := chromedp.NewContext(shared, chromedp.WithNewBrowserContext())
	i.t.Cleanup(end)
	require.NoError(i.t, chromedp.Do(ctx))
	b := &browser{i, ctx}
	b.do(steps...)
	return b
}

// do takes one step after another.
func (b *browser) do(steps ...step) {
	b.t.Helper()
	for _, s := range steps {
		get(b, s)
	}
}

// get takes one step within patience.
func get[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	require.NoError(b.t, err)
	return value
}

// until waits for an expression to be true in the page. It asks from outside,
// because the page's own policy forbids it to make scripts of texts.
func (b *browser) until(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && is
	}, patience, 50*time.Millisecond, expression)
}

// emulate sets a size in CSS pixels and a colour scheme.
func (b *browser) emulate(width, height int64, scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}
