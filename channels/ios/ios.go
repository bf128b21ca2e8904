// Package ios brings notifications to iPhones and iPads through the Apple Push
// Notification service.
package ios

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sideshow/apns2"

	"tocsin/channels"
	"tocsin/schema"
)

// window is how long a push is worth bringing, to Apple and from Apple to a
// device that is off.
const window = 24 * time.Hour

// Spec describes the channel.
func Spec() channels.Spec {
	return channels.Spec{
		Name:  "ios",
		Label: "iOS push",
		Fields: []channels.Field{
			{Name: "token", Label: "Device token", Kind: channels.Text, Required: true, Secret: true,
				Help: "Hexadecimal, as the app gets it from iOS; spaces and angle brackets do no harm."},
			{Name: "environment", Label: "Environment", Kind: channels.Select, Advanced: true,
				Options: []channels.Option{{Value: production, Label: "Production"}, {Value: sandbox, Label: "Sandbox"}},
				Help:    "Production for the App Store and TestFlight, sandbox for builds from Xcode."},
			{Name: "name", Label: "Name", Kind: channels.Text, Placeholder: "Ada's iPhone", Help: "To tell your devices apart."},
		},
		Many:        true,
		Check:       check,
		Timeout:     20 * time.Second,
		Window:      window,
		Concurrency: 256, // one connection commonly has room for 500 to 1,000
		Config:      &Config{},
	}
}

// channel pushes for one app.
type channel struct {
	topic   string
	servers map[string]*server // by environment
}

// server is one of Apple's.
type server struct {
	client *apns2.Client
	guard  guard
}

// Send makes one attempt to hand the notification to Apple.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	device, err := readDevice(to.Settings)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("push: %w", err)}
	}
	server := c.servers[device.Environment]
	if err := server.guard.enter(); err != nil {
		return err
	}
	push := c.notification(d, device)
	answer, failure := server.push(ctx, push)
	if failure != nil && answer.Reason == reasonTooLarge {
		push.Payload = render(d, shorterPayload)
		answer, failure = server.push(ctx, push)
	}
	if failure == nil {
		server.guard.accept()
		return nil
	}
	about := ""
	if answer.Reason == reasonBadDevice || answer.Reason == reasonOtherApp {
		about = device.Token
	}
	return server.guard.refuse(failure, about)
}

// push always gives an answer, if only an empty one.
func (s *server) push(ctx context.Context, push *apns2.Notification) (*apns2.Response, *channels.Failure) {
	asked := time.Now()
	answer, err := s.client.PushWithContext(context.WithValue(ctx, asWritten{}, push.Payload), push)
	if err != nil {
		failure := channels.FailureOf(fmt.Errorf("push through APNs: %w", withoutURL(err)))
		return &apns2.Response{}, &failure
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	return answer, failureOf(answer, asked)
}
