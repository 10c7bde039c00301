package notify

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// reserved are networks outside of the internet that package netip does not recognize. A
// translated address could lead to any of them.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("::/96"), netip.MustParsePrefix("fec0::/10"),
}

// Guard decides which addresses a request may go to.
type Guard struct {
	// Allow are networks that are allowed although they are outside of the internet.
	Allow []netip.Prefix
}

// Check refuses an address of this machine or of a private network, unless it is allowed.
func (g Guard) Check(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	holds := func(p netip.Prefix) bool { return p.Contains(ip) }
	if slices.ContainsFunc(g.Allow, holds) {
		return nil
	}
	if ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(reserved, holds) {
		return nil
	}
	return refused{ip}
}

// refused is the error for an address that is not allowed.
type refused struct{ ip netip.Addr }

func (r refused) Error() string {
	return fmt.Sprintf("the address %s is not of the internet: an operator can allow it with --notify-allow", r.ip)
}

// control checks the address of a new connection, after the name is resolved.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	return g.Check(ip)
}
