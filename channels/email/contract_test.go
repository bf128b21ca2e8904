package email

import (
	"strings"
	"sync/atomic"
	"testing"

	"tocsin/channels/channeltest"
	"tocsin/farend"
)

func TestContract(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	refuse := func(code, class int, text string) func() { // X.6.0: the content
		return func() {
			inbox.Answer(onceAtRCPT(func() error { return farend.SMTPAnswer(code, [3]int{class, 6, 0}, text) }))
		}
	}
	channeltest.Run(t, channeltest.Subject{
		Spec:        Spec(),
		Channel:     openFor(t, inbox),
		Target:      target(),
		Arrived:     log.Deliveries,
		CarriesID:   true,
		Temporarily: refuse(450, 4, "<"+address+"> is busy"),
		Permanently: refuse(550, 5, "<"+address+"> is unknown"),
		Flood:       refuse(450, 4, strings.Repeat("x", 1<<24)),
		Hang: func() <-chan struct{} {
			reached := make(chan struct{})
			inbox.Answer(onceAtRCPT(func() error {
				close(reached)
				<-released
				return farend.ErrHangUp
			}))
			return reached
		},
		Secrets: []string{address, "ada.lovelace", "account@example.com"},
	})
}

func onceAtRCPT(answer func() error) func(farend.InboxStep) error {
	var taken atomic.Bool
	return func(s farend.InboxStep) error {
		if s.Command != "RCPT" || taken.Swap(true) {
			return nil
		}
		return answer()
	}
}
