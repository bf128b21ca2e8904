// Package ios brings notifications to iPhones and iPads through the Apple Push
// Notification service.
package ios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
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
			{Name: "token", Label: "Device token", Help: "Hexadecimal, as the app got it from iOS.", Secret: true},
			{Name: "environment", Label: "Environment", Help: "production, or sandbox for builds from Xcode. Empty: production."},
			{Name: "name", Label: "Name", Help: "To tell your devices apart."},
		},
		Many:        true,
		Check:       check,
		Timeout:     20 * time.Second,
		Window:      window,
		Concurrency: 64,
		Config:      &Config{},
	}
}

// device is a target's settings.
type device struct {
	Token       string `json:"token"`
	Environment string `json:"environment"`
	Name        string `json:"name"`
}

const (
	production = "production"
	sandbox    = "sandbox"
)

// tokenPattern holds hexadecimal tokens. Apple gives them no fixed length; the
// bounds keep them from meaning anything else in a path.
var tokenPattern = regexp.MustCompile(`^([0-9A-Fa-f]{2}){1,100}$`)

func check(saved json.RawMessage) error {
	_, err := readDevice(saved)
	return err
}

func readDevice(saved json.RawMessage) (device, error) {
	var d device
	if json.Unmarshal(saved, &d) != nil {
		return d, errors.New("the device is not an object with token, environment and name")
	}
	if !tokenPattern.MatchString(d.Token) {
		return d, errors.New("the device token is not hexadecimal, of 2 to 200 characters")
	}
	switch d.Environment {
	case "":
		d.Environment = production
	case production, sandbox:
	default:
		return d, errors.New("the environment is neither production nor sandbox")
	}
	return d, nil
}

// channel pushes for one app. There is one client for each environment and one
// provider token for both: Apple refuses providers that make tokens often.
type channel struct {
	topic   string
	clients map[string]*apns2.Client // by environment
	bearer  *bearer                  // nil with a certificate
}

// Send makes one attempt to hand the notification to Apple.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	device, err := readDevice(to.Settings)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("push: %w", err)}
	}
	notification, err := c.notification(d, device)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("write push: %w", err)}
	}
	asked := time.Now()
	response, err := c.clients[device.Environment].PushWithContext(ctx, notification)
	if err != nil {
		return &channels.Failure{Err: fmt.Errorf("push through APNs: %w", withoutURL(err))}
	}
	if response.Sent() {
		return nil
	}
	if response.Reason == apns2.ReasonExpiredProviderToken && c.bearer != nil {
		c.bearer.renew()
	}
	return failureOf(response, asked)
}

// withoutURL drops the URL, which holds the device token.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
