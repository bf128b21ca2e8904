package ios

import (
	"net/http"
	"strings"
	"testing"

	"tocsin/channels/channeltest"
	"tocsin/farend"
)

func TestContract(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	answer := func(a farend.APNsAnswer) func() {
		return func() { server.Answer(deviceToken, a) }
	}
	channeltest.Run(t, channeltest.Subject{
		Spec:        Spec(),
		Channel:     open(t, configFor(t, server)),
		Target:      target(),
		Arrived:     log.Deliveries,
		CarriesID:   true,
		Temporarily: answer(farend.APNsAnswer{Status: http.StatusServiceUnavailable, Reason: "ServiceUnavailable"}),
		Permanently: answer(farend.APNsAnswer{Status: http.StatusBadRequest, Reason: "BadDeviceToken"}),
		Flood:       answer(farend.APNsAnswer{Status: http.StatusBadGateway, Body: strings.Repeat("x", 1<<24)}),
		Hang: func() <-chan struct{} {
			server.Answer(deviceToken, farend.APNsAnswer{Hang: true})
			_, reached := log.Since(0)
			return reached
		},
		Secrets: []string{deviceToken},
	})
}
