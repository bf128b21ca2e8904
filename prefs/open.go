package prefs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// address is a Redis URL taken apart: go-redis reads URLs of one host only.
type address struct {
	kind  string // "redis", "redis-cluster" or "redis-sentinel"
	tls   bool
	hosts []string // host:port, at least one
	rest  url.URL  // user, path and query

	certificates *tls.Config // what TLS is to use of ours
}

// Open makes a client for TOCSIN_REDIS_URL. It does not connect: the first
// command does, and a lost connection is made again by the next one.
//
//	redis://user:password@host:6379/0                      one server
//	redis://user:password@a:6379,b:6379,c:6379             a cluster, found through any of these
//	redis-cluster://user:password@host:6379                a cluster, found through one address
//	redis-sentinel://user:password@a:26379,b:26379/0?master=name
//	                                                       the master that these sentinels name; user and password
//	                                                       are the sentinels', the servers' are the parameters
//	                                                       username and password
//
// The same with rediss for redis uses TLS. Other parameters are the options of
// go-redis in snake case, for example pool_size=50 and read_timeout=2s. Errors
// hold nothing of the URL but names of parameters and numbers.
func Open(text string) (redis.UniversalClient, error) { return OpenTLS(text, Certificates{}) }

// OpenTLS is Open with certificates for the connections of a rediss URL.
func OpenTLS(text string, c Certificates) (redis.UniversalClient, error) {
	a, err := parseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	if c != (Certificates{}) && !a.tls {
		return nil, errors.New("certificates are given, and the URL asks for no TLS: it must begin with rediss")
	}
	if a.certificates, err = c.read(); err != nil {
		return nil, err
	}
	var client redis.UniversalClient
	switch {
	case a.kind == "redis-sentinel":
		client, err = a.openSentinel()
	case a.kind == "redis-cluster" || len(a.hosts) > 1:
		client, err = a.openCluster()
	default:
		client, err = a.openSingle()
	}
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	return client, nil
}

// errForm stands for every fault in the shape of the URL: the causes that
// net/url gives quote what may be a part of the password.
var errForm = errors.New("it must look like redis://user:password@host:port/0, " +
	"with special characters of the password percent-encoded")

func parseAddress(text string) (address, error) {
	scheme, rest, found := strings.Cut(text, "://")
	kind := strings.Replace(scheme, "rediss", "redis", 1)
	if !found || (kind != "redis" && kind != "redis-cluster" && kind != "redis-sentinel") {
		return address{}, errForm
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	at := strings.LastIndexByte(authority, '@') + 1
	u, err := url.Parse("redis://" + authority[:at] + "host" + tail)
	if err != nil || u.Fragment != "" {
		return address{}, errForm
	}
	a := address{kind: kind, tls: kind != scheme, rest: *u}
	return a, a.readHosts(authority[at:])
}

func (a *address) readHosts(list string) error {
	if database := strings.Trim(a.rest.Path, "/"); database != "" {
		if _, err := strconv.Atoi(database); err != nil {
			return errForm
		}
	}
	port := "6379"
	if a.kind == "redis-sentinel" {
		port = "26379"
	}
	for host := range strings.SplitSeq(list, ",") {
		u, err := url.Parse("redis://" + host)
		if err != nil || u.Hostname() == "" || u.User != nil {
			return errForm
		}
		if u.Port() != "" {
			port = u.Port()
		}
		a.hosts = append(a.hosts, net.JoinHostPort(u.Hostname(), port))
	}
	return nil
}

// url writes the address in the form that go-redis reads, with further
// addresses as parameters.
func (a address) url() string {
	u := a.rest
	u.Scheme, u.Host = "redis", a.hosts[0]
	if a.tls {
		u.Scheme = "rediss"
	}
	query := u.Query()
	query.Del("addr")
	for _, host := range a.hosts[1:] {
		query.Add("addr", host)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func (a address) openSingle() (redis.UniversalClient, error) {
	o, err := redis.ParseURL(a.url())
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = quiet()
	a.certify(o.TLSConfig)
	return redis.NewClient(o), nil
}

func (a address) openCluster() (redis.UniversalClient, error) {
	if database := strings.Trim(a.rest.Path, "/"); database != "" && database != "0" {
		return nil, errors.New("a cluster has database 0 only")
	}
	o, err := redis.ParseClusterURL(a.url())
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = quiet()
	a.certify(o.TLSConfig)
	o.TLSConfig = namedByDial(o.TLSConfig)
	return redis.NewClusterClient(o), nil
}

func (a address) openSentinel() (redis.UniversalClient, error) {
	query := a.rest.Query()
	if query.Get("master") == "" {
		return nil, errors.New("the sentinel form needs the parameter master: the name that the sentinels know it by")
	}
	query.Set("master_name", query.Get("master"))
	query.Del("master")
	a.rest.RawQuery = query.Encode()
	o, err := redis.ParseFailoverURL(a.url())
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	a.certify(o.TLSConfig)
	o.TLSConfig = namedByDial(o.TLSConfig)
	return redis.NewFailoverClient(o), nil
}

// namedByDial lets each connection check the certificate against the host that
// it dials: go-redis would check all against the first.
func namedByDial(config *tls.Config) *tls.Config {
	if config != nil {
		config.ServerName = ""
	}
	return config
}

// quiet keeps go-redis from asking for maintenance notices, which only Redis
// Enterprise sends.
func quiet() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
