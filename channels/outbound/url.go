package outbound

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// longestURL is what browsers, proxies and servers are known to take.
const longestURL = 2048

// CheckURL parses the URL of an endpoint, or says what is wrong with it, in
// words for the user and without repeating it. It looks at the form only:
// whether the address may be reached is decided when it is dialled.
func CheckURL(raw string) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, errors.New("a URL is needed")
	case len(raw) > longestURL:
		return nil, errTooLong
	case strings.Contains(raw, "#"):
		return nil, errors.New("the URL must not hold a fragment (#)")
	}
	u, err := url.Parse(raw)
	if err != nil || strings.Contains(u.RawQuery, " ") {
		return nil, errors.New("the URL is not well-formed")
	}
	if err := checkParts(u); err != nil {
		return nil, err
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	sent := u.String()
	if len(sent) > longestURL { // what is escaped takes three times the room
		return nil, errTooLong
	}
	if _, err := url.Parse(sent); err != nil { // a zone of an IPv6 address is not escaped as it was
		return nil, errors.New("the URL is not well-formed")
	}
	return u, nil
}

var errTooLong = errors.New("the URL is longer than 2048 characters")

func checkParts(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the URL must begin with https:// or http://")
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), " \t"):
		return errors.New("the URL must name a host")
	case u.User != nil:
		return errors.New("the URL must not hold a user name or password")
	}
	return checkPort(u.Port())
}

func checkPort(given string) error {
	if given == "" {
		return nil
	}
	port, err := strconv.ParseUint(given, 10, 16)
	if err != nil || port == 0 {
		return errors.New("the URL's port must be between 1 and 65535")
	}
	if _, found := slices.BinarySearch(badPorts, uint16(port)); found {
		return errors.New("the URL's port belongs to another protocol than HTTP")
	}
	return nil
}

// badPorts are those that browsers do not send to, because text protocols
// that live there could take a request for their own: the table "bad port" of
// the WHATWG Fetch Standard, section 2.9 (port blocking). In ascending order.
var badPorts = []uint16{
	0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95,
	101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179,
	389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587,
	601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566,
	6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
}
