package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/config"
	"boundgate/internal/lockout"
	"boundgate/internal/pages"
	"boundgate/internal/telemetry"
	"boundgate/internal/wire/drs"
	"boundgate/internal/wire/oauth"
)

// A class is endpoints of which one network may ask equally often.
type class int

const (
	forTokens       class = iota // tokens, nonces and whatever is named nowhere else
	forDiscovery                 // documents that are the same for everybody
	forPages                     // what a person sees
	forRegistration              // devices that join and leave: each is a certificate
	forDeviceCodes               // each is a record that nobody has signed in for
)

// shares say which part of the requests a minute a class has: one of so many. An office of 2000 people that starts work
// within ten minutes asks for some 4000 tokens a minute, opens some 1200 pages, and sees a few device codes.
var shares = map[class]int{forTokens: 1, forDiscovery: 1, forPages: 2, forRegistration: 4, forDeviceCodes: 20}

// classOf tells the class of a path in lower case.
func classOf(path string) class {
	path = strings.TrimSuffix(path, "/")
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case last == "devicecode":
		return forDeviceCodes
	case strings.HasPrefix(path, "/enrollmentserver/nonce"):
		return forTokens
	case strings.HasPrefix(path, "/enrollmentserver/"):
		return forRegistration
	case strings.Contains(path, "/.well-known/"), strings.Contains(path, "/discovery/"), last == "discover", last == "contract",
		strings.HasPrefix(path, pages.AssetRoot):
		return forDiscovery
	}
	switch last {
	case "authorize", "login", "logout", "deviceauth", "devicelogin", "me", "language", "error":
		return forPages
	}
	return forTokens
}

// A limiter holds back a network that asks too often, before anything is done for it (P14).
type limiter struct {
	next      http.Handler
	page      func(w http.ResponseWriter, r *http.Request, refusal *aadsts.Error) // draws a refusal for a person
	rates     map[class]*lockout.Rate
	proxies   []netip.Prefix
	unlimited []netip.Prefix
	now       func() time.Time
}

func newLimiter(cfg config.Config, next http.Handler, page func(http.ResponseWriter, *http.Request, *aadsts.Error), now func() time.Time) *limiter {
	l := &limiter{next: next, page: page, rates: map[class]*lockout.Rate{}, proxies: cfg.Proxy.Prefixes(), unlimited: cfg.Limits.Prefixes(), now: now}
	for class, share := range shares {
		l.rates[class] = lockout.NewRate(max(1, cfg.Limits.RequestsPerMinute/share))
	}
	return l
}

// ServeHTTP answers 429 in the words of the protocol that is asked.
func (l *limiter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address, class := telemetry.ClientAddress(r, l.proxies), classOf(r.URL.Path)
	if within(l.unlimited, address) {
		l.next.ServeHTTP(w, r)
		return
	}
	ok, wait := l.rates[class].Allow(address.String(), l.now())
	if ok {
		l.next.ServeHTTP(w, r)
		return
	}
	refusal := *aadsts.TooManyRequests
	refusal.RetryAfter = int(wait/time.Second) + 1
	switch class {
	case forRegistration:
		drs.WriteError(w, r, &refusal)
	case forPages:
		l.page(w, r, &refusal)
	case forTokens, forDiscovery, forDeviceCodes:
		oauth.WriteError(w, r, &refusal)
	}
}

func within(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(address) })
}
