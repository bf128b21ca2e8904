package farend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
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
	oldestBearer      = time.Hour
	bearerChanges     = 20 * time.Minute // no more often; Apple, "Establishing a token-based connection to APNs"
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

func readAPNsRequest(r *http.Request) (*apnsRequest, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, longestPayload+1))
	request := &apnsRequest{Request: r, token: strings.TrimPrefix(r.URL.Path, "/3/device/"), body: body}
	_ = json.Unmarshal(body, &request.payload) // without aps if it is no JSON, which the rules refuse
	return request, err
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
		if reason := a.reasonAgainstBearer(bearer); reason != "" {
			return reason
		}
		if !conn.accept(bearer) {
			return "TooManyProviderTokenUpdates"
		}
	case len(r.TLS.VerifiedChains) == 0:
		return "MissingProviderToken"
	}
	return ""
}

func (a *APNs) reasonAgainstBearer(bearer string) string {
	claims := jwt.RegisteredClaims{}
	parsed, err := jwt.ParseWithClaims(bearer, &claims, func(token *jwt.Token) (any, error) {
		if token.Header["kid"] != apnsKeyID {
			return nil, errors.New("unknown key")
		}
		return &a.key.PublicKey, nil
	}, jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}))
	if err != nil || !parsed.Valid || claims.Issuer != apnsTeamID || claims.IssuedAt == nil {
		return "InvalidProviderToken"
	}
	if time.Since(claims.IssuedAt.Time) > oldestBearer {
		return "ExpiredProviderToken"
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

type apnsConnKey struct{}

// apnsConn is what the service knows of one connection.
type apnsConn struct {
	mu     sync.Mutex
	proven bool // it has carried a valid push
	open   map[context.Context]struct{}
	bearer string
	since  time.Time // when bearer was first seen
}

// enter refuses a second stream before the first valid push ("Sending notification
// requests to APNs": the stream limit is one until then). A stream that the
// client has reset no longer counts, although its handler may not know yet.
func (c *apnsConn) enter(stream context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.open {
		if !c.proven && other.Err() == nil {
			return false
		}
	}
	c.open[stream] = struct{}{}
	return true
}

func (c *apnsConn) leave(stream context.Context, valid bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, stream)
	c.proven = c.proven || valid
}

// accept takes a new bearer if the former is old enough.
func (c *apnsConn) accept(bearer string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bearer == c.bearer {
		return true
	}
	if c.bearer != "" && time.Since(c.since) < bearerChanges {
		return false
	}
	c.bearer, c.since = bearer, time.Now()
	return true
}
