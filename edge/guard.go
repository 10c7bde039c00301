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

// guard keeps out what a browser sends for a page of another origin: such a page can
// reach every address that its user can, loopback included. No access control helps
// against it where programs of this machine need none.
//
// A name that an attacker points at this server makes its page one of the same
// origin, so the Host must be a name that is known. Other pages are told by Origin
// and Sec-Fetch-Site, which a page cannot change. http.CrossOriginProtection would let
// their GETs pass, which an EventSource is.
func (e *Edge) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin") // where a browser sends neither header, as to an address without TLS
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

// named reports whether the host is one by which this server may be called: a
// loopback one, one that was allowed, the one it listens on, or the very address
// that the client has connected to, which no name can be made to mean. A request
// without any is of no browser.
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

// hosts are the names of the configuration. An unspecified address is none.
func hosts(cfg Config) (names []string) {
	for _, host := range append([]string{cfg.Host}, cfg.AllowedHosts...) {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
			names = append(names, hostname(host))
		}
	}
	return names
}

// hostname is the Host header's name or address, without the port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// foreign reports whether a browser sends the request for a page of another origin.
// What is not a browser sends neither header.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	return false
}

// fromBrowser reports whether a browser sends the request, for whichever page.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// visit reports whether the user follows a link to a page that is made for that: it
// takes the place of the page with the link, which learns nothing.
func visit(r *http.Request) bool {
	page := r.URL.Path == "/" || r.URL.Path == "/docs" || r.URL.Path == "/ui" || strings.HasPrefix(r.URL.Path, "/ui/")
	return page && (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Origin") == "" &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
