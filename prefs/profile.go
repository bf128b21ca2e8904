package prefs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Profile is who a user is. Its fields are those of channels.Person.
type Profile struct {
	Email    string `json:"email,omitempty"`
	Name     string `json:"name,omitempty"`
	TimeZone string `json:"time_zone,omitempty"` // IANA name; empty means UTC
	Locale   string `json:"locale,omitempty"`    // BCP 47; empty means English
}

// maxNameLength is in bytes; a name stands in the header of every mail.
const maxNameLength = 200

var localePattern = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// Check says what is wrong with a profile, in words that hold nothing of it.
func (p Profile) Check() error {
	return errors.Join(checkEmail(p.Email), checkName(p.Name), checkTimeZone(p.TimeZone), checkLocale(p.Locale))
}

func checkEmail(email string) error {
	if email == "" {
		return nil
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email {
		return errors.New("email is not an address of the form name@example.com")
	}
	return nil
}

func checkName(name string) error {
	if len(name) > maxNameLength || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("name has control characters or is longer than %d bytes", maxNameLength)
	}
	return nil
}

func checkTimeZone(zone string) error {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return errors.New("time_zone is not a name of the IANA database, such as Europe/Berlin")
	}
	return nil
}

func checkLocale(locale string) error {
	if locale != "" && !localePattern.MatchString(locale) {
		return errors.New("locale is not a BCP 47 tag, such as en-GB")
	}
	return nil
}

func parseProfile(user, text string) (Profile, error) {
	var p Profile
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Profile{}, fmt.Errorf("read the profile of user %s: %w", user, err)
	}
	return p, nil
}
