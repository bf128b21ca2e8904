package pages_test

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"tocsin/console/browsertest"
)

var chromium browsertest.Chromium

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.Close()
	os.Exit(code)
}

// browser is a real one, at an installation.
type browser struct {
	*installation
	*browsertest.Browser
}

type step = browsertest.Step

func (i *installation) browser(steps ...step) *browser {
	i.t.Helper()
	b := &browser{i, chromium.Open(i.t)}
	b.Do(steps...)
	return b
}

func get[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	return browsertest.Get(b.Browser, action)
}
