package farend

import (
	"encoding/json"
	"fmt"
	"net/http"
)

func (answer APNsAnswer) status() int {
	if answer.Status == 0 {
		return http.StatusOK
	}
	return answer.Status
}

// line is the Status of a Received: empty if nothing is said.
func (answer APNsAnswer) line() string {
	switch {
	case answer.Hang:
		return ""
	case answer.Reason == "":
		return fmt.Sprint(answer.status())
	}
	return fmt.Sprint(answer.status(), " ", answer.Reason)
}

// body is as Apple's: empty for 200, else JSON with the reason and, of 410,
// the moment in milliseconds.
func (answer APNsAnswer) body() []byte {
	if answer.Body != "" || answer.Reason == "" {
		return []byte(answer.Body)
	}
	content := map[string]any{"reason": answer.Reason}
	if !answer.Since.IsZero() {
		content["timestamp"] = answer.Since.UnixMilli()
	}
	body, _ := json.Marshal(content) // of texts and a number, which encode
	return body
}
