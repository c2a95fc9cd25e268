package config

import (
	"cmp"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// WithDefaults returns c with every zero value replaced by what it means. Values that are set are left alone, apart from
// spelling: a URL loses its trailing slash, host names become lower case.
func (c Config) WithDefaults() Config {
	c.DataDir = cmp.Or(c.DataDir, "boundgate-data")
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8443")
	c.PublicURL = strings.TrimSuffix(cmp.Or(c.PublicURL, localURL(c.Listen)), "/")
	c.DeviceRegistration = c.DeviceRegistration.withDefaults()
	c.TLS.HostNames = lower(c.TLS.HostNames)
	c.MasterKey = c.MasterKey.withDefaults(c.DataDir)
	c.Database.Path = cmp.Or(c.Database.Path, filepath.Join(c.DataDir, "state.db"))
	c.Logs.Path = cmp.Or(c.Logs.Path, filepath.Join(c.DataDir, "logs.duckdb"))
	c.Logs.RetentionDays = cmp.Or(c.Logs.RetentionDays, 30)
	c.Log.Level = cmp.Or(c.Log.Level, "info")
	c.Log.Format = cmp.Or(c.Log.Format, "auto")
	c.Limits = c.Limits.withDefaults()
	if len(c.Metrics.Allow) == 0 {
		c.Metrics.Allow = []string{"127.0.0.0/8", "::1"}
	}
	return c
}

func (d DeviceRegistration) withDefaults() DeviceRegistration {
	d.Listen = cmp.Or(d.Listen, "127.0.0.1:8444")
	d.URL = strings.TrimSuffix(cmp.Or(d.URL, localURL(d.Listen)), "/")
	d.HostNames = lower(d.HostNames)
	return d
}

// withDefaults chooses the key file beside the data directory when no source is named.
func (m MasterKey) withDefaults(dataDir string) MasterKey {
	if len(m.sources()) == 0 {
		m.File = filepath.Clean(dataDir) + ".key"
	}
	return m
}

func (l Limits) withDefaults() Limits {
	l.PasswordWorkers = cmp.Or(l.PasswordWorkers, 2)
	l.PasswordQueue = cmp.Or(l.PasswordQueue, 32)
	l.HeaderBytes = cmp.Or(l.HeaderBytes, 32<<10)
	l.RequestBytes = cmp.Or(l.RequestBytes, 64<<10)
	l.GraphRequestBytes = cmp.Or(l.GraphRequestBytes, 1<<20)
	l.ReadTimeout = cmp.Or(l.ReadTimeout, Duration(10*time.Second))
	l.IdleTimeout = cmp.Or(l.IdleTimeout, Duration(2*time.Minute))
	l.RequestsPerMinute = cmp.Or(l.RequestsPerMinute, 6000)
	l.Connections = cmp.Or(l.Connections, 8192)
	l.ConnectionsPerAddress = cmp.Or(l.ConnectionsPerAddress, 2048)
	return l
}

// localURL is how this machine reaches a listener on addr; "" when addr does not say a port.
func localURL(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	switch {
	case err != nil, port == "", port == "0":
		return ""
	case port == "443":
		return "https://localhost"
	default:
		return "https://localhost:" + port
	}
}

func lower(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, strings.ToLower(name))
	}
	return out
}
