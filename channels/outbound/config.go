package outbound

import (
	"cmp"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"
)

// Prefixes reads the address ranges of a Policy. The error names the variable
// that they were set by.
func Prefixes(variable string, cidrs []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(strings.TrimSpace(cidr))
		if err != nil {
			return nil, fmt.Errorf("%s holds %q: it must be address ranges such as 10.0.0.0/8, separated by commas", variable, cidr)
		}
		all = append(all, p)
	}
	return all, nil
}

// UserAgent is what requests say that they come from: "Tocsin/1.2.3".
func UserAgent() string {
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		version = strings.TrimPrefix(info.Main.Version, "v")
	}
	return "Tocsin/" + cmp.Or(version, "dev")
}
