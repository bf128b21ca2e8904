package ios

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

func TestSettingsThatAreExplained(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, server))
	settings := func(token string) string { return `{"token":"` + token + `"}` }
	for saved, says := range map[string]string{
		``:                    "not an object",
		`[]`:                  "not an object",
		`{"token":7}`:         "not an object",
		`{}`:                  "missing",
		settings(" <> "):      "missing",
		settings("aa/../bb"):  "not hexadecimal",
		settings("0a1b2c"):    "has 6 digits",
		settings("fcm:APA91"): "Firebase",
		settings("{length = 32, bytes = 0xc7a5f4d2 ... 9b1e }"):               "leaves a part out",
		settings(deviceToken[1:]):                                             "has 63 digits",
		settings("0x" + deviceToken):                                          "not hexadecimal",
		settings(strings.Repeat("ab", 101)):                                   "at most 200",
		settings(strings.Repeat("Ω", 64)):                                     "not hexadecimal",
		`{"token":"` + deviceToken + `","environment":"test"}`:                "neither production nor sandbox",
		`{"token":"` + deviceToken + `","environment":"` + deviceToken + `"}`: "neither production nor sandbox",
	} {
		err := Spec().Check(json.RawMessage(saved))
		require.ErrorContains(t, err, says, saved)
		require.NotContains(t, err.Error(), deviceToken[1:])
		failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "1"), channels.Target{Settings: json.RawMessage(saved)}))
		require.Equal(t, channels.Permanent, failure.Kind, saved)
	}
	require.Empty(t, received(log))
}

func TestSettingsAsPeoplePasteThem(t *testing.T) {
	t.Parallel()
	var groups []string
	for i := 0; i < len(deviceToken); i += 8 {
		groups = append(groups, deviceToken[i:i+8])
	}
	for saved, want := range map[string]device{
		`{"token":"` + deviceToken + `"}`:                                                  {Token: deviceToken, Environment: production},
		`{"token":"` + strings.ToUpper(deviceToken) + `","environment":"sandbox"}`:         {Token: deviceToken, Environment: sandbox},
		`{"token":"<` + strings.Join(groups, " ") + `>","environment":" Production "}`:     {Token: deviceToken, Environment: production},
		`{"token":" \"` + deviceToken + `\"\n","environment":"development","name":"iPad"}`: {Token: deviceToken, Environment: sandbox, Name: "iPad"},
		`{"token":"` + strings.Repeat("ab", 100) + `"}`:                                    {Token: strings.Repeat("ab", 100), Environment: production},
	} {
		require.NoError(t, Spec().Check(json.RawMessage(saved)), saved)
		got, err := readDevice(json.RawMessage(saved))
		require.NoError(t, err, saved)
		require.Equal(t, want, got)
	}
	require.True(t, Spec().Fields[0].Secret, "the token")
}
