package edge

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// guard refuses what a browser sends for a page of another origin. Such a page
// can reach every address that its user can reach, loopback included, and local
// programs need no token, so access control does not protect against it.
//
// If an attacker's host name resolves to this server, the browser treats the
// page as same-origin. So the Host header must be a known name. Other pages are
// recognized by Origin and Sec-Fetch-Site, which a page cannot change.
// http.CrossOriginProtection is not enough: it allows cross-origin GET
// requests, and an EventSource sends one.
func (e *Edge) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin") // for browsers that send neither header, as to a plain HTTP address
		switch host := hostname(r.Host); {
		case !e.named(host, r):
			refuse(w, r, hodei.Errorf(hodei.Misdirected, "%q is not a name of this server: --allowed-host would make it one", host))
		case foreign(r) && !visit(r):
			refuse(w, r, hodei.Errorf(hodei.Forbidden, "A web page of another origin may not use this address"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// named reports whether clients may call this server by the host: a loopback
// name, an allowed one, the one it listens on, or the literal address that the
// client connected to, which DNS cannot forge. A request without Host does not
// come from a browser.
func (e *Edge) named(host string, r *http.Request) bool {
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(e.hosts, host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ip.IsLoopback() || local != nil && ip.Unmap() == local.AddrPort().Addr().Unmap()
}

// hosts returns the configured names. An unspecified address adds none.
func hosts(cfg Config) (names []string) {
	for _, host := range append([]string{cfg.Host}, cfg.AllowedHosts...) {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
			names = append(names, hostname(host))
		}
	}
	return names
}

// hostname returns the name or address in the Host header, without the port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// foreign reports whether a browser sent the request for a page of another
// origin. Other clients send neither header.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) || u.Scheme == "http" && isEncrypted(r) {
			return true
		}
	}
	return false
}

// fromBrowser reports whether a browser sent the request, for any page.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// visit reports whether the user follows a link to a page of the console, or returns
// from the OIDC provider. The new page replaces the one with the link, which cannot
// read anything of it.
func visit(r *http.Request) bool {
	page := r.URL.Path == oidcCallback || r.URL.Path == "/" || r.URL.Path == "/docs" || r.URL.Path == "/ui" || strings.HasPrefix(r.URL.Path, "/ui/")
	return page && (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Origin") == "" &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
