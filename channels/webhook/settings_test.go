package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/outbound"
	"tocsin/farend"
)

// What is wrong with settings is said when they are saved and, in the same
// words, when something is sent.
func TestCheckSettings(t *testing.T) {
	t.Parallel()
	hook, authority, err := farend.NewTLSHook(&farend.Log{}, farend.HookTLS{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	certificate, key, err := authority.NewClient("one")
	require.NoError(t, err)
	_, otherKey, err := authority.NewClient("two")
	require.NoError(t, err)
	with := func(members string) string {
		return `{"url":"https://192.0.2.1/","secret":"` + goldenSecret + `",` + members + `}`
	}
	pem := func(certificate, key string) string {
		return fmt.Sprintf(`"client_cert":%q,"client_key":%q`, certificate, key)
	}
	const rate = "the rate must be a number from 1 to 600 and a time, such as 10/s, 100/min or 600/h"
	const timeout, headers = "the timeout must be a time from 1s to 30s", "the headers are longer than 4 KiB"
	for settings, why := range map[string]string{
		with(`"unknown":{"kept":"x"}`):                   "",
		with(`"timeout":"1s"`):                           "",
		with(`"rate":"600/min"`):                         "",
		with(`"rate":"601/min"`):                         rate,
		with(`"rate":"0/s"`):                             rate,
		with(`"rate":"-1/s"`):                            rate,
		with(`"rate":"10"`):                              rate,
		with(`"rate":"10/day"`):                          rate,
		with(`"timeout":"30s"`):                          "",
		with(`"timeout":"1500ms"`):                       "",
		with(`"headers":{"X-A":"1","Authorization":""}`): "",
		with(`"headers":""`):                             "",
		with(`"signing_key":"` + goldenKey + `"`):        "",
		with(pem(certificate, key)):                      "",
		with(pem("", "")):                                "",

		`[]`:                                "the settings are not an object of texts",
		`{"url":"ftp://example.com/"}`:      "the URL must begin with https:// or http://",
		`{"url":"https://example.com:25/"}`: "the URL's port belongs to another protocol than HTTP",
		`{"url":["https://example.com/"]}`:  "the settings are not an object of texts",
		`{"url":"https://example.com/","secret":"hunter2"}`:                "the signing secret is not whsec_ followed by base64 of 24 to 64 bytes",
		with(`"previous_until":"tomorrow"`):                                "the settings are not an object of texts",
		with(`"signing_key":"hunter2"`):                                    "the signing key is not whsk_ followed by base64 of 32 or 64 bytes",
		with(`"timeout":"999ms"`):                                          timeout,
		with(`"timeout":"31s"`):                                            timeout,
		with(`"timeout":"-5s"`):                                            timeout,
		with(`"timeout":"5"`):                                              timeout,
		with(`"timeout":5`):                                                "the settings are not an object of texts",
		with(`"headers":[]`):                                               "the settings are not an object of texts",
		with(`"headers":"no colon"`):                                       "the settings are not an object of texts",
		with(`"headers":{"X-A":1}`):                                        "the settings are not an object of texts",
		with(`"headers":{"Host":"x"}`):                                     "the header Host cannot be set",
		with(`"headers":{"X":"` + strings.Repeat("x", 4096) + `"}`):        headers,
		with(pem(certificate, "")):                                         "a client certificate and its key are needed together",
		with(pem(certificate, otherKey)):                                   "the client certificate and its key are not PEM, or do not belong together",
		strings.Replace(with(pem(certificate, key)), "https:", "http:", 1): "a client certificate needs a URL that begins with https://",
	} {
		err := Spec().Check(json.RawMessage(settings))
		attempt := channels.FailureOf(open(15*time.Second, outbound.Policy{Variable: allowVariable}).Send(t.Context(), delivery(), channels.Target{Settings: json.RawMessage(settings)}))
		require.Equal(t, channels.Permanent, attempt.Kind, settings)
		if why == "" {
			require.NoError(t, err, settings)
			require.ErrorContains(t, attempt.Err, "refused: 192.0.2.1", settings)
			continue
		}
		require.EqualError(t, err, why, settings)
		require.EqualError(t, attempt.Err, why, settings)
	}
}

// The secret is made after the user has given a URL.
func TestUnsignedSettings(t *testing.T) {
	t.Parallel()
	unsigned := Settings{URL: "https://192.0.2.1/"}
	require.NoError(t, Spec().Check(settingsOf(t, unsigned).Settings))
	f := channels.FailureOf(local(time.Second).Send(t.Context(), delivery(), settingsOf(t, unsigned)))
	require.EqualError(t, f.Err, "no signing secret")
	require.Equal(t, channels.Permanent, f.Kind)
	unsigned.ClientCert = "not PEM"
	require.ErrorContains(t, Spec().Check(settingsOf(t, unsigned).Settings), "client certificate")
}

func TestFieldsAreTheSettings(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, f := range Spec().Fields {
		require.NotEmpty(t, f.Help, f.Name)
		texts[f.Name] = ""
	}
	encoded, err := json.Marshal(texts)
	require.NoError(t, err)
	decoder := json.NewDecoder(strings.NewReader(string(encoded)))
	decoder.DisallowUnknownFields()
	var s Settings
	require.NoError(t, decoder.Decode(&s), "each field takes a text, as a form gives it")
}

func TestOpenNamesTheVariable(t *testing.T) {
	t.Parallel()
	for variable, c := range map[string]*Config{
		"TOCSIN_WEBHOOK_ALLOW":   {Timeout: time.Second, Allow: []string{"127.0.0.0/8", "intranet"}},
		"TOCSIN_WEBHOOK_TIMEOUT": {Timeout: time.Minute},
	} {
		_, err := c.Open()
		require.ErrorContains(t, err, variable)
	}
	_, err := (&Config{}).Open()
	require.ErrorContains(t, err, "TOCSIN_WEBHOOK_TIMEOUT")
	require.True(t, (&Config{}).Present())
	c, err := (&Config{Timeout: 15 * time.Second, Allow: []string{" 10.0.0.0/8", "fd00::/8"}}).Open()
	require.NoError(t, err)
	refused := c.Send(t.Context(), delivery(), target(t, "http://127.0.0.1:8080/"))
	require.EqualError(t, refused, "refused: 127.0.0.1 is not a public address; the operator can allow it with TOCSIN_WEBHOOK_ALLOW")
}
