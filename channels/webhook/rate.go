package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"tocsin/channels"
)

// mostInWindow bounds what the fleet has to remember of an endpoint's rate.
const mostInWindow = 600

var windows = map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour}

// parseRate reads "10/s", "100/min" or "600/h". Nothing is no limit.
func parseRate(given string) (channels.Rate, error) {
	if given == "" {
		return channels.Rate{}, nil
	}
	count, window, _ := strings.Cut(given, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	per, known := windows[strings.TrimSpace(window)]
	if err != nil || !known || n < 1 || n > mostInWindow {
		return channels.Rate{}, errors.New("the rate must be a number from 1 to 600 and a time, such as 10/s, 100/min or 600/h")
	}
	return channels.Rate{Messages: n, Per: per}, nil
}

// rateOf is the Spec's. Few endpoints have a rate, so it looks whether there can
// be one before it reads the settings.
func rateOf(settings json.RawMessage) channels.Rate {
	if !bytes.Contains(settings, []byte(`"rate"`)) {
		return channels.Rate{}
	}
	var s Settings
	if json.Unmarshal(settings, &s) != nil {
		return channels.Rate{}
	}
	rate, _ := parseRate(s.Rate) // none, where it was saved by another version
	return rate
}
