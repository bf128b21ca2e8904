package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"code.dny.dev/ssrf"
)

// azureHost answers on a public address inside Azure's virtual networks with
// the machine's configuration (Microsoft: "What is IP address 168.63.129.16").
var azureHost = netip.MustParsePrefix("168.63.129.16/32")

// guard dials public addresses and those that the operator allows. It looks at
// the address itself, after the name is resolved, so a name that first
// resolves to a public address and then to a private one gains nothing.
type guard struct {
	rules    *ssrf.Guardian
	dialer   net.Dialer
	variable string
}

func newGuard(policy Policy) *guard {
	var v4, v6 []netip.Prefix
	for _, p := range policy.Allow {
		if p = unmapped(p); p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return &guard{
		rules: ssrf.New(
			ssrf.WithAllowedV4Prefixes(v4...),
			ssrf.WithAllowedV6Prefixes(v6...),
			ssrf.WithDeniedV4Prefixes(azureHost)),
		dialer:   net.Dialer{Timeout: LongestTimeout, Resolver: policy.Resolver},
		variable: policy.Variable,
	}
}

// unmapped turns ::ffff:10.0.0.0/104 into 10.0.0.0/8.
func unmapped(p netip.Prefix) netip.Prefix {
	const mappedBits = 96
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p
}

// dial tries each address that the name resolves to. If some were refused but
// another could be tried and failed, the failure is not final.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var tried atomic.Bool
	dialer := g.dialer
	dialer.Control = func(_, address string, _ syscall.RawConn) error {
		if err := g.check(address); err != nil {
			return err
		}
		tried.Store(true)
		return nil
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if _, refused := errors.AsType[*refusedError](err); refused && tried.Load() {
		return nil, syscall.EHOSTUNREACH
	}
	return conn, err
}

func (g *guard) check(address string) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusedError{variable: g.variable} // fail closed
	}
	ip := target.Addr().Unmap().WithZone("")
	if g.rules.SafeAddr(ip) != nil {
		return &refusedError{ip, g.variable}
	}
	return nil
}

// refusedError is a destination that the guard does not dial.
type refusedError struct {
	ip       netip.Addr
	variable string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("refused: %s is not a public address; the operator can allow it with %s", e.ip, e.variable)
}
