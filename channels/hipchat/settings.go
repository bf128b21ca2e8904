package hipchat

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// Settings is what a target's settings hold.
type Settings struct {
	Token      string `json:"token"`
	Room       string `json:"room"`
	APIVersion string `json:"api_version,omitempty"` // "1" or "2"; empty means 1
}

func check(raw json.RawMessage) error {
	_, err := parseSettings(raw)
	return err
}

func parseSettings(raw json.RawMessage) (Settings, error) {
	var s Settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return Settings{}, errors.New("the settings are not an object of texts") // the cause may quote the token
	}
	switch {
	case s.Token == "":
		return Settings{}, errors.New("an API token is needed")
	case strings.ContainsFunc(s.Token, notTokenCharacter):
		return Settings{}, errors.New("the API token holds a character that no token has")
	case strings.TrimSpace(s.Room) == "":
		return Settings{}, errors.New("a room is needed")
	case s.Room == "." || s.Room == ".." || strings.ContainsFunc(s.Room, unicode.IsControl):
		return Settings{}, errors.New("the room is not a room's name")
	case s.APIVersion != "" && s.APIVersion != "1" && s.APIVersion != "2":
		return Settings{}, errors.New("the API version must be 1 or 2")
	}
	return s, nil
}

// notTokenCharacter keeps out what could not stand in an Authorization header.
func notTokenCharacter(r rune) bool { return r <= ' ' || r > '~' }
