package edge

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

type encryptedKey struct{}

// forwarded replaces the address of a request with the address of the client, if a trusted proxy
// sent the request. Otherwise the headers have no effect.
func (e *Edge) forwarded(next http.Handler) http.Handler {
	if len(e.cfg.TrustedProxies) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.trusts(address(r)) {
			if client := e.client(r.Header.Values("X-Forwarded-For")); client != "" {
				r.RemoteAddr = net.JoinHostPort(client, "0")
			}
			if last(r.Header.Values("X-Forwarded-Proto")) == "https" {
				r = r.WithContext(context.WithValue(r.Context(), encryptedKey{}, true))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// client returns the last address that is not a trusted proxy, or the first address if all are.
// Each proxy appends the address of its client, so a client can invent only the addresses before
// the returned one. It returns "" without a valid address.
func (e *Edge) client(headers []string) (client string) {
	addresses := strings.Split(strings.Join(headers, ","), ",")
	for _, text := range slices.Backward(addresses) {
		ip, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return client
		}
		if client = ip.Unmap().String(); !e.trusts(client) {
			return client
		}
	}
	return client
}

func (e *Edge) trusts(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(e.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip.Unmap().WithZone("")) })
}

// last returns the last value of a header that may be a list.
func last(headers []string) string {
	values := strings.Split(strings.Join(headers, ","), ",")
	return strings.ToLower(strings.TrimSpace(values[len(values)-1]))
}

// isEncrypted reports whether the client is known to use TLS, to this server or to a trusted
// proxy in front of it.
func isEncrypted(r *http.Request) bool {
	return r.TLS != nil || r.Context().Value(encryptedKey{}) != nil
}
