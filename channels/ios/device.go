package ios

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

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

// Lengths of a device token in hexadecimal digits. Apple gives it no fixed
// length; so far all have had 64, and the UIKit documentation has named 100
// bytes as the most. What is shorter has lost a part in copying.
const (
	shortestToken = 64
	longestToken  = 200
)

func check(saved json.RawMessage) error {
	_, err := readDevice(saved)
	return err
}

func readDevice(saved json.RawMessage) (device, error) {
	var d device
	if json.Unmarshal(saved, &d) != nil {
		return d, errors.New("the device is not an object with the texts token, environment and name")
	}
	d.Token = normalToken(d.Token)
	if err := checkToken(d.Token); err != nil {
		return d, err
	}
	switch d.Environment = strings.ToLower(strings.TrimSpace(d.Environment)); d.Environment {
	case "":
		d.Environment = production
	case production, sandbox:
	case "development":
		d.Environment = sandbox // what Xcode's entitlement calls it
	default:
		return d, errors.New("the environment is neither production nor sandbox")
	}
	return d, nil
}

// normalToken takes off what comes with a token that was copied from the log of
// an app: iOS before 13 described it as <0a1b2c3d 4e5f6071 ...>.
func normalToken(pasted string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune(`<>"'`, r) {
			return -1
		}
		return r
	}, pasted))
}

var (
	hexadecimal = regexp.MustCompile(`^[0-9a-f]+$`)
	newerShape  = regexp.MustCompile(`length=\d+,?bytes=`) // how iOS 13 describes it, with the middle left out
)

// checkToken explains the mistakes that people make; no message holds the
// token, which lets whoever has it find the device.
func checkToken(token string) error {
	switch {
	case token == "":
		return errors.New("the device token is missing")
	case newerShape.MatchString(token):
		return errors.New("the device token is iOS's description of it, which leaves a part out: the app has to write its bytes in hexadecimal")
	case strings.Contains(token, ":"):
		return errors.New("the device token looks like Firebase's: the one of APNs is needed, which is hexadecimal")
	case !hexadecimal.MatchString(token):
		return errors.New("the device token is not hexadecimal, that is, of the digits 0 to 9 and the letters a to f")
	case len(token)%2 != 0 || len(token) < shortestToken:
		return fmt.Errorf("the device token has %d digits, and so misses some: Apple's have %d or more, in pairs", len(token), shortestToken)
	case len(token) > longestToken:
		return fmt.Errorf("the device token has %d digits: Apple's have at most %d", len(token), longestToken)
	}
	return nil
}
