package telemetry

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxForwarded bounds how many entries of X-Forwarded-For are looked at.
const maxForwarded = 32

// ClientAddress returns the address that r came from. Where that is a trusted proxy, it believes X-Forwarded-For from
// the right, up to the first address that is not a trusted proxy: everything left of it is the client's own claim. The
// invalid netip.Addr means that the connection has no such address.
func ClientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for looked := 0; looked < maxForwarded && looked < len(hops) && isTrusted(address, trusted); looked++ {
		before, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1-looked]))
		if err != nil {
			return address // the last one that can be believed
		}
		address = before.Unmap().WithZone("")
	}
	return address
}

func isTrusted(address netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}
