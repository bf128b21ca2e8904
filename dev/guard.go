package dev

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// contentPolicy lets the page load what comes with it and nothing else, and
// run no script but its own file.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what another site makes the browser post.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Another site may not publish here.", http.StatusForbidden)
	}))
	return protection.Handler(next)
}

// onlyLocal refuses requests for names that are not this machine's. A site can
// let its own name resolve to 127.0.0.1 and read from there as its own origin
// (DNS rebinding); the Host header still tells the name.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		listening, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if !isLocal(hostname(r.Host), listening) {
			http.Error(w, "This page answers to localhost, or to the address that it listens on, and to no other name.",
				http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostname is a Host header without port and brackets.
func hostname(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostPort, "["), "]")
	}
	return strings.ToLower(host)
}

// isLocal takes the names that RFC 6761 section 6.3 keeps on the machine,
// loopback addresses, and the address that the connection came in on.
func isLocal(host string, listening net.Addr) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if address.Unmap().IsLoopback() {
		return true
	}
	tcp, ok := listening.(*net.TCPAddr)
	return ok && tcp.AddrPort().Addr().Unmap().WithZone("") == address.Unmap()
}
