package pages_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
)

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
		b.Emulate([]int64{360, 1200}[n], 900, scheme)
		for _, address := range addresses {
			b.IsForEverybody(address)
		}
	}
}
