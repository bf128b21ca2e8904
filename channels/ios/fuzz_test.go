package ios

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sideshow/apns2"
	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

// Whatever answers in Apple's place, only a reason of the form of Apple's is
// repeated of it, and no device is dropped without one.
func FuzzAnswer(f *testing.F) {
	f.Add(410, []byte(`{"reason":"Unregistered","timestamp":1751846400000}`))
	f.Add(400, []byte(`{"reason":"BadDeviceToken"}`))
	f.Add(429, []byte(`{"reason":"Too\nmany"}`))
	f.Add(502, []byte(`<html>`))
	f.Add(403, []byte(`{"reason":{},"timestamp":"x"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer := &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body))}
		_, err := readWhole(answer)
		require.NoError(t, err)
		said := apns2.Response{StatusCode: status}
		if json.NewDecoder(answer.Body).Decode(&said) != nil {
			said = apns2.Response{StatusCode: status}
		}
		failure := failureOf(&said, time.Now())
		require.NotContains(t, failure.Error(), "\n")
		require.LessOrEqual(t, len(failure.Status), 100)
		require.GreaterOrEqual(t, failure.Wait, time.Duration(0))
		if failure.Kind == channels.Gone {
			require.NotEmpty(t, said.Reason)
			require.False(t, failure.Since.IsZero())
		}
	})
}

func FuzzDevice(f *testing.F) {
	f.Add("<"+deviceToken+">", "sandbox", "phone")
	f.Add("{length=32,bytes=0x01...02}", "Development ", "")
	f.Add("a:b", "", "\xff")
	f.Fuzz(func(t *testing.T, token, environment, name string) {
		raw, err := json.Marshal(map[string]string{"token": token, "environment": environment, "name": name})
		require.NoError(t, err)
		d, err := readDevice(raw)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			if len(token) > 20 {
				require.NotContains(t, err.Error(), token)
			}
			return
		}
		require.Regexp(t, `^[0-9a-f]{64,200}$`, d.Token)
		require.Contains(t, []string{production, sandbox}, d.Environment)
	})
}
