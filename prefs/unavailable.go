package prefs

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// waitReplies are the beginnings of the error replies with which a Redis says
// that it cannot serve at the moment, or does not let us in: what an operator
// mends while workers wait. From the Redis sources (server.c, cluster.c).
var waitReplies = [...]string{
	"LOADING", "CLUSTERDOWN", "READONLY", "MASTERDOWN", "TRYAGAIN", "MOVED", "ASK", // start, failover, resharding
	"BUSY", "MISCONF", "OOM", "NOREPLICAS", "max number of clients", // overload, disk, memory
	"NOAUTH", "WRONGPASS", "NOPERM", "DENIED", "AUTH", "Client sent AUTH", "invalid password", "DB index", // configuration
}

// waitFaults are parts of errors that go-redis does not export. They come
// before the replies, because the sentinels' wraps what each of them replied.
var waitFaults = [...]string{"cluster has no nodes", "all sentinels", "connection unusable"}

// Unavailable reports whether err means that Redis could not be asked or did
// not answer: no connection, a timeout, a failover, refused credentials. The
// same call succeeds once Redis is back, so a worker stops pulling, waits and
// spends no attempt. It is false for a cancelled context, a closed client, and
// for everything that waiting does not mend.
func Unavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrClosed) || errors.Is(err, ErrSealed) {
		return false
	}
	if slices.ContainsFunc(waitFaults[:], func(part string) bool { return strings.Contains(err.Error(), part) }) {
		return true
	}
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return slices.ContainsFunc(waitReplies[:], func(prefix string) bool { return redis.HasErrorPrefix(reply, prefix) })
	}
	return disconnected(err)
}

func disconnected(err error) bool {
	for _, fault := range [...]error{io.EOF, io.ErrUnexpectedEOF, redis.ErrPoolTimeout, redis.ErrPoolExhausted} {
		if errors.Is(err, fault) {
			return true
		}
	}
	_, network := errors.AsType[net.Error](err) // holds context.DeadlineExceeded too
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, plaintext := errors.AsType[tls.RecordHeaderError](err)
	return network || certificate || plaintext
}
