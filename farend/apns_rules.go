package farend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// apnsStatus gives the HTTP status that Apple sends with each reason that we
// find ourselves.
var apnsStatus = map[string]int{
	"BadCollapseId": 400, "BadDeviceToken": 400, "BadExpirationDate": 400, "BadMessageId": 400, "BadPriority": 400,
	"DuplicateHeaders": 400, "InvalidPushType": 400, "MissingDeviceToken": 400, "MissingTopic": 400,
	"PayloadEmpty": 400, "TopicDisallowed": 400,
	"ExpiredProviderToken": 403, "InvalidProviderToken": 403, "MissingProviderToken": 403,
	"BadPath": 404, "MethodNotAllowed": 405, "PayloadTooLarge": 413, "TooManyProviderTokenUpdates": 429,
}

const (
	longestPayload    = 4096 // bytes; Apple, "Generating a remote notification"
	longestCollapseID = 64   // bytes
)

var (
	devicePattern = regexp.MustCompile(`^([0-9a-f]{2})+$`)
	uuidPattern   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	pushTypes     = []string{
		"alert", "background", "complication", "controls", "fileprovider", "liveactivity",
		"location", "mdm", "pushtotalk", "voip", "widgets",
	}
)

type apnsRequest struct {
	*http.Request
	token   string
	body    []byte
	payload struct {
		APS *struct {
			Alert json.RawMessage `json:"alert"`
		} `json:"aps"`
	}
}

func readAPNsRequest(r *http.Request, body []byte) *apnsRequest {
	request := &apnsRequest{Request: r, token: strings.TrimPrefix(r.URL.Path, "/3/device/"), body: body}
	_ = json.Unmarshal(body, &request.payload) // without aps if it is no JSON, which the rules refuse
	return request
}

func (r *apnsRequest) id() string { return r.Header.Get("apns-id") }

func (r *apnsRequest) title() string {
	var alert struct {
		Title string `json:"title"`
	}
	if r.payload.APS != nil {
		_ = json.Unmarshal(r.payload.APS.Alert, &alert) // a plain text has no title
	}
	return alert.Title
}

// raw leaves the bearer out, which is a credential.
func (r *apnsRequest) raw() string {
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s %s %s\r\n", r.Method, r.URL.Path, r.Proto)
	_ = r.Header.WriteSubset(&raw, map[string]bool{"Authorization": true}) // a buffer takes everything
	return raw.String() + "\r\n" + string(r.body)
}

// reasonAgainst says why the push is refused; empty: it is valid.
func (a *APNs) reasonAgainst(r *apnsRequest, conn *apnsConn) string {
	for _, rule := range [...]func(*apnsRequest) string{
		reasonAgainstPath,
		func(r *apnsRequest) string { return a.reasonAgainstProvider(r, conn) },
		reasonAgainstHeaders,
		reasonAgainstPayload,
	} {
		if reason := rule(r); reason != "" {
			return reason
		}
	}
	return ""
}

func reasonAgainstPath(r *apnsRequest) string {
	switch {
	case r.Method != http.MethodPost:
		return "MethodNotAllowed"
	case !strings.HasPrefix(r.URL.Path, "/3/device/"):
		return "BadPath"
	case r.token == "":
		return "MissingDeviceToken"
	case !devicePattern.MatchString(strings.ToLower(r.token)):
		return "BadDeviceToken"
	}
	return ""
}

func (a *APNs) reasonAgainstProvider(r *apnsRequest, conn *apnsConn) string {
	bearer, given := strings.CutPrefix(r.Header.Get("authorization"), "bearer ")
	switch {
	case given:
		return a.bearers.reasonAgainst(bearer, &conn.issued)
	case len(r.TLS.VerifiedChains) == 0:
		return "MissingProviderToken"
	}
	return ""
}

func reasonAgainstHeaders(r *apnsRequest) string {
	for name, values := range r.Header {
		if strings.HasPrefix(name, "Apns-") && len(values) > 1 {
			return "DuplicateHeaders"
		}
	}
	get := r.Header.Get
	switch {
	case get("apns-topic") == "":
		return "MissingTopic"
	case get("apns-topic") != apnsTopic:
		return "TopicDisallowed"
	case r.id() != "" && !uuidPattern.MatchString(r.id()):
		return "BadMessageId"
	case !slices.Contains(pushTypes, get("apns-push-type")):
		return "InvalidPushType"
	case !slices.Contains([]string{"", "1", "5", "10"}, get("apns-priority")):
		return "BadPriority"
	case get("apns-push-type") == "background" && get("apns-priority") != "5":
		return "BadPriority"
	case len(get("apns-collapse-id")) > longestCollapseID:
		return "BadCollapseId"
	}
	if _, err := strconv.ParseUint(get("apns-expiration"), 10, 63); err != nil && get("apns-expiration") != "" {
		return "BadExpirationDate"
	}
	return ""
}

func reasonAgainstPayload(r *apnsRequest) string {
	switch {
	case len(r.body) > longestPayload:
		return "PayloadTooLarge"
	case r.payload.APS == nil:
		return "PayloadEmpty"
	}
	return ""
}
