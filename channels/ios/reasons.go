package ios

import (
	"time"

	"tocsin/channels"
)

// verdict is what a reason of Apple's means for the next attempt.
type verdict struct {
	kind   channels.Kind
	wait   time.Duration
	advice string // for the operator
}

const (
	// troubleWait is what Apple asks for after its own errors ("Handling
	// notification responses from APNs").
	troubleWait = 15 * time.Minute

	// crowdedWait eases one device that is sent to too often.
	crowdedWait = time.Minute

	// changedWait is a part of the 20 minutes after which Apple takes another
	// provider token: somebody outside this fleet makes tokens too.
	changedWait = 5 * time.Minute

	// resendWait is enough for another connection.
	resendWait = time.Second

	// pause is how long the channel leaves Apple alone after it has refused the
	// installation, not the push.
	pause = time.Minute
)

const (
	reasonBadDevice   = "BadDeviceToken"
	reasonOtherApp    = "DeviceTokenNotForTopic"
	reasonTooLarge    = "PayloadTooLarge"
	reasonShutdown    = "Shutdown"
	reasonNewToken    = "TooManyProviderTokenUpdates"
	defect            = "Tocsin made a push that APNs does not take: this is a defect of Tocsin, please report it"
	checkTopic        = "check TOCSIN_APNS_TOPIC, which has to be the bundle id of the app"
	checkKey          = "check TOCSIN_APNS_KEY_FILE, TOCSIN_APNS_KEY_ID and TOCSIN_APNS_TEAM_ID: they have to belong together, and the key must not be revoked"
	checkCertificate  = "check TOCSIN_APNS_CERT_FILE: the certificate has expired, was revoked or is not one for pushes"
	otherEnvironment  = "is for the other environment: check TOCSIN_APNS_URL, and the environment of the devices"
	credentialsNeeded = "check that TOCSIN_APNS_KEY_FILE or TOCSIN_APNS_CERT_FILE is set"
)

// verdicts is Apple's table of reasons ("Handling notification responses from
// APNs"). What blames a device token is Permanent, not Gone: it may be the
// environment that is wrong, and then no device must be dropped.
var verdicts = map[string]verdict{
	"BadCollapseId":      {channels.Permanent, 0, defect},
	"BadExpirationDate":  {channels.Permanent, 0, defect},
	"BadMessageId":       {channels.Permanent, 0, defect},
	"BadPath":            {channels.Permanent, 0, defect},
	"BadPriority":        {channels.Permanent, 0, defect},
	"DuplicateHeaders":   {channels.Permanent, 0, defect},
	"InvalidPushType":    {channels.Permanent, 0, defect},
	"MethodNotAllowed":   {channels.Permanent, 0, defect},
	"MissingDeviceToken": {channels.Permanent, 0, defect},
	"MissingTopic":       {channels.Permanent, 0, defect},
	"PayloadEmpty":       {channels.Permanent, 0, defect},
	reasonTooLarge:       {channels.Permanent, 0, defect},

	reasonBadDevice: {channels.Permanent, 0, "the device token is not one of Apple's, or of the other environment than the device says"},
	reasonOtherApp:  {channels.Permanent, 0, "the device token belongs to another app than TOCSIN_APNS_TOPIC"},

	"Unregistered": {channels.Gone, 0, "the app was removed from the device"},
	"ExpiredToken": {channels.Gone, 0, "the device has another token by now"},

	"BadTopic":                   {channels.Misconfigured, pause, checkTopic},
	"TopicDisallowed":            {channels.Misconfigured, pause, "the credentials are not for the app of TOCSIN_APNS_TOPIC"},
	"BadCertificate":             {channels.Misconfigured, pause, checkCertificate},
	"BadCertificateEnvironment":  {channels.Misconfigured, pause, "the certificate of TOCSIN_APNS_CERT_FILE " + otherEnvironment},
	"InvalidProviderToken":       {channels.Misconfigured, pause, checkKey},
	"MissingProviderToken":       {channels.Misconfigured, pause, credentialsNeeded},
	"Forbidden":                  {channels.Misconfigured, pause, checkKey},
	"UnrelatedKeyIdInToken":      {channels.Misconfigured, pause, "the key of TOCSIN_APNS_KEY_ID is not for the app of TOCSIN_APNS_TOPIC"},
	"BadEnvironmentKeyIdInToken": {channels.Misconfigured, pause, "the key of TOCSIN_APNS_KEY_ID " + otherEnvironment},
	"ExpiredProviderToken": {channels.Misconfigured, pause,
		"set the clock of this machine: the token made with TOCSIN_APNS_KEY_FILE is 51 minutes old at most, and Apple sees more than an hour"},

	"IdleTimeout":         {channels.Temporary, resendWait, ""},
	reasonNewToken:        {channels.Temporary, changedWait, "somebody else uses the key of TOCSIN_APNS_KEY_ID with tokens of their own"},
	"TooManyRequests":     {channels.Temporary, crowdedWait, "the device is sent to too often"},
	"InternalServerError": {channels.Temporary, troubleWait, ""},
	"ServiceUnavailable":  {channels.Temporary, troubleWait, ""},
	reasonShutdown:        {channels.Temporary, troubleWait, ""},
}

// byStatus judges reasons that Apple has not documented yet.
var byStatus = map[int]verdict{
	400: {kind: channels.Permanent},
	403: {channels.Misconfigured, pause, checkKey + "; or TOCSIN_APNS_CERT_FILE"},
	404: {kind: channels.Permanent},
	405: {kind: channels.Permanent},
	410: {kind: channels.Gone},
	413: {kind: channels.Permanent},
	429: {channels.Temporary, crowdedWait, ""},
	500: {channels.Temporary, troubleWait, ""},
	503: {channels.Temporary, troubleWait, ""},
}
