package server

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/net/netutil"

	"boundgate/internal/config"
	"boundgate/internal/lockout"
)

// bounded bounds the connections of a listener: in all, beyond which further ones wait, and of one network, beyond which
// they are closed, so that no single client keeps everybody else waiting (P14). Trusted proxies speak for many.
func bounded(l net.Listener, cfg config.Config) net.Listener {
	shared := &sharedListener{
		Listener: l, most: cfg.Limits.ConnectionsPerAddress, open: map[string]int{},
		unlimited: slices.Concat(cfg.Proxy.Prefixes(), cfg.Limits.Prefixes()),
	}
	return netutil.LimitListener(shared, cfg.Limits.Connections)
}

// A sharedListener accepts so many connections of one network. It remembers only those that are open.
type sharedListener struct {
	net.Listener
	most      int
	unlimited []netip.Prefix
	mu        sync.Mutex
	open      map[string]int
}

// Accept returns the next connection of a network that has not enough of them.
func (l *sharedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if held, ok := l.admit(c); ok {
			return held, nil
		}
		_ = c.Close() // there is nobody to tell
	}
}

func (l *sharedListener) admit(c net.Conn) (net.Conn, bool) {
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	address := peer.Addr().Unmap().WithZone("")
	if err != nil || within(l.unlimited, address) {
		return c, true
	}
	network := lockout.Network(address.String())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[network] >= l.most {
		return nil, false
	}
	l.open[network]++
	return &sharedConn{Conn: c, release: sync.OnceFunc(func() { l.release(network) })}, true
}

func (l *sharedListener) release(network string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[network]--; l.open[network] <= 0 {
		delete(l.open, network)
	}
}

// A sharedConn makes room for another when it is closed.
type sharedConn struct {
	net.Conn
	release func()
}

// Close closes the connection.
func (c *sharedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
