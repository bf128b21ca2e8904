package prefs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
)

const directory = `{
  "users": {
    "ada": {
      "email": "ada@example.com", "name": "Ada", "time_zone": "Europe/London", "locale": "en-GB",
      "channels": {"webhook": {"url": "https://example.com/hook"}},
      "devices": [{"token": "00fc13ad", "name": "phone"}],
      "preferences": {"stack.redeploy.ok": {"email": false, "webhook": null}}
    },
    "bob": {}
  },
  "accounts": {"acme": ["ada", "bob"]}
}`

func anySettings(string, json.RawMessage) error { return nil }

// onlyWebhooks stands for an installation that knows one channel.
func onlyWebhooks(channel string, settings json.RawMessage) error {
	if channel != "webhook" {
		return fmt.Errorf("there is no channel %s", channel)
	}
	if !strings.Contains(string(settings), "https://") {
		return fmt.Errorf("url must begin with https://")
	}
	return nil
}

func testLoadDirectory(t *testing.T, f fixture) {
	d, err := prefs.ReadDirectory(strings.NewReader(directory), anySettings)
	require.NoError(t, err)
	for range 2 { // saving again changes nothing
		require.NoError(t, d.Save(t.Context(), f.Store))
		phone := prefs.TargetRef{Channel: "ios", ID: prefs.DeviceID("00fc13ad")}
		require.ElementsMatch(t, []prefs.Recipient{
			{
				User: "ada", Targets: []prefs.TargetRef{mail, phone, hook},
				Choices: map[prefs.Cell]bool{{Type: "stack.redeploy.ok", Channel: "email"}: false},
			},
			{User: "bob"},
		}, f.recipients(t, "acme"))
	}
	ada, err := f.User(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, prefs.Profile{Email: "ada@example.com", Name: "Ada", TimeZone: "Europe/London", Locale: "en-GB"}, ada)
	targets, err := f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.JSONEq(t, `{"token": "00fc13ad", "name": "phone"}`, string(targets[1].Settings))
	require.JSONEq(t, `{"url": "https://example.com/hook"}`, string(targets[2].Settings))
}

func TestReadDirectorySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ document, want string }{
		"not JSON":         {`users: {}`, "invalid character"},
		"more than one":    {`{} {}`, "more after the end"},
		"unknown field":    {`{"members": {}}`, `unknown field "members"`},
		"unknown in user":  {`{"users": {"ada": {"mail": "x"}}}`, `unknown field "mail"`},
		"user id":          {`{"users": {"a.b": {}}}`, `user "a.b": user id "a.b" is not 1 to 64 letters`},
		"account id":       {`{"accounts": {"a b": []}}`, `account id "a b" is not`},
		"member id":        {`{"accounts": {"acme": [""]}}`, `account "acme": user id "" is not`},
		"profile":          {`{"users": {"ada": {"email": "nowhere"}}}`, `user "ada": email is not an address`},
		"type":             {`{"users": {"ada": {"preferences": {"moon.full": {"email": true}}}}}`, `"moon.full" is not an event type`},
		"choice":           {`{"users": {"ada": {"preferences": {"job.fail": {"email": "yes"}}}}}`, "cannot unmarshal string"},
		"unknown channel":  {`{"users": {"ada": {"channels": {"fax": {}}}}}`, `user "ada": channel "fax": there is no channel fax`},
		"settings":         {`{"users": {"ada": {"channels": {"webhook": {"url": "ftp://x"}}}}}`, "url must begin with https://"},
		"device":           {`{"users": {"ada": {"devices": [{"name": "phone"}]}}}`, `user "ada": device 1 has no token`},
		"too many devices": {`{"users": {"ada": {"devices": [` + manyDevices(65) + `]}}}`, "65 channels and devices: too many targets"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := prefs.ReadDirectory(strings.NewReader(test.document), onlyWebhooks)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func manyDevices(n int) string {
	var devices []string
	for i := range n {
		devices = append(devices, fmt.Sprintf(`{"token":"%02x"}`, i))
	}
	return strings.Join(devices, ",")
}

func testAccountsOfADirectoryNameKnownUsers(t *testing.T, f fixture) {
	f.person(t, "eve")
	d, err := prefs.ReadDirectory(strings.NewReader(`{"accounts": {"acme": ["eve", "nobody"]}}`), anySettings)
	require.NoError(t, err)
	require.ErrorIs(t, d.Save(t.Context(), f.Store), prefs.ErrNoUser)
	require.Equal(t, []string{"eve"}, f.members(t, "acme"))
}
