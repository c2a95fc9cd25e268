// Package config is what an operator decides about a Boundgate server: one struct, one TOML file, one validation.
//
// Everything has a default, so a server starts without a file. A file is decoded strictly: a key that Boundgate does not
// know is an error that names the place and suggests the nearest known key, because a misspelt key that is silently
// ignored is a setting that silently does not hold. Environment variables named BOUNDGATE_<SECTION>_<KEY> override
// single keys; no other package reads the environment.
//
// What is wrong is reported as Problems, all of them at once, each with the sentence that says what to do.
package config

import (
	"net/netip"
	"time"
)

// A Config is the whole configuration of a server. The zero value means "every default"; Load and WithDefaults return it
// with the defaults filled in. Relative paths are relative to the directory that the server was started in.
type Config struct {
	// DataDir is the directory of the server's own state: databases, development certificates. It is made when missing,
	// readable by its owner only. Default "boundgate-data".
	DataDir string `toml:"data_dir"`
	// Listen is the address and port of the main HTTPS listener. Default "127.0.0.1:8443".
	Listen string `toml:"listen"`
	// PublicURL is how clients reach the main listener: https, host and perhaps a port, without a path. It is the stem of
	// every issuer and endpoint in discovery documents. Default "https://localhost:" and the port of Listen. While that
	// port is 0 the default stays empty: set Listen to the address that was bound and call WithDefaults again.
	PublicURL string `toml:"public_url"`

	// CountryDatabase is a file with the countries of addresses, in MaxMind's format (MMDB), for named locations that are
	// countries. It is read again when it changes. None by default: then no country is known.
	CountryDatabase string `toml:"country_database"`

	DeviceRegistration DeviceRegistration `toml:"device_registration"`
	TLS                TLS                `toml:"tls"`
	MasterKey          MasterKey          `toml:"master_key"`
	Database           Database           `toml:"database"`
	Logs               Logs               `toml:"logs"`
	Log                Log                `toml:"log"`
	Limits             Limits             `toml:"limits"`
	Proxy              Proxy              `toml:"proxy"`
	Metrics            Metrics            `toml:"metrics"`
}

// DeviceRegistration says where devices register and renew. It has a listener of its own because client certificates are
// requested there: on the main listener every browser would prompt its user for one.
type DeviceRegistration struct {
	// Listen is the address and port of the listener that requests client certificates. Default "127.0.0.1:8444".
	Listen string `toml:"listen"`
	// URL is how devices reach that listener, in the form of public_url. Default "https://localhost:" and the port of
	// Listen.
	URL string `toml:"url"`
	// HostNames are server names (TLS SNI), such as enterpriseregistration.contoso.example, for which the main listener
	// requests client certificates too. None by default.
	HostNames []string `toml:"host_names"`
}

// TLS names the certificate of both listeners. Without files the server makes a development certificate authority in the
// data directory and issues its own certificate.
type TLS struct {
	// CertificateFile is a PEM file with the certificate and its chain, leaf first. It is read again when it changes.
	CertificateFile string `toml:"certificate_file"`
	// KeyFile is the PEM file with the private key of that certificate.
	KeyFile string `toml:"key_file"`
	// HostNames are further DNS names or IP addresses of the development certificate, beside localhost, 127.0.0.1, ::1 and
	// the hosts of the two URLs.
	HostNames []string `toml:"host_names"`
}

// MasterKey says where the key comes from that seals every other key at rest. Exactly one source is used: File is the
// default one when no other is set. It never lies inside the data directory: a copied data directory alone opens nothing.
type MasterKey struct {
	// File holds the key and is made on the first start, readable by its owner only. Default: the data directory's path
	// with ".key" appended, beside it.
	File string `toml:"file"`
	// Passphrase, from which the key is derived, comes from the variable BOUNDGATE_MASTER_KEY_PASSPHRASE only: the file is
	// no place for it.
	Passphrase Secret `toml:"-" env:"passphrase"`
	// PassphraseFile is a file whose first line is the passphrase, readable by its owner only.
	PassphraseFile string `toml:"passphrase_file"`
	// Command is a program and its arguments that prints the key, 32 bytes in base64, on its standard output. It is run
	// without a shell.
	Command []string `toml:"command"`
}

// Database is the state store: directory, devices, sessions, policies.
type Database struct {
	// Path is the SQLite file. Default "state.db" in the data directory.
	Path string `toml:"path"`
}

// Logs is the log store that KQL queries run on.
type Logs struct {
	// Path is the DuckDB file. Default "logs.duckdb" in the data directory.
	Path string `toml:"path"`
	// RetentionDays is how long sign-in rows are kept, in days. Default 30.
	RetentionDays int `toml:"retention_days"`
}

// Log is the server's own log on standard error; not the sign-in log.
type Log struct {
	// Level is the least severe level written: debug, info, warn or error. Default "info".
	Level string `toml:"level"`
	// Format is text (for people), json (for machines) or auto: text on a terminal, json elsewhere. Default "auto".
	Format string `toml:"format"`
}

// Limits bound the work that a client can cause.
type Limits struct {
	// PasswordWorkers is how many passwords are hashed at the same time; each takes 19 MiB. Default 2.
	PasswordWorkers int `toml:"password_workers"`
	// PasswordQueue is how many sign-ins may wait for a worker before the next is answered 429. Default 32.
	PasswordQueue int `toml:"password_queue"`
	// HeaderBytes bounds the header of a request. Default 32768.
	HeaderBytes int `toml:"header_bytes"`
	// RequestBytes bounds the body of a request to sign-in and device registration. Default 65536.
	RequestBytes int64 `toml:"request_bytes"`
	// GraphRequestBytes bounds the body of a request to Microsoft Graph and the query API. Default 1048576.
	GraphRequestBytes int64 `toml:"graph_request_bytes"`
	// ReadTimeout is how long a client may take to send a request; slower ones are cut off. Default "10s".
	ReadTimeout Duration `toml:"read_timeout"`
	// IdleTimeout is how long an idle connection is kept. Default "2m".
	IdleTimeout Duration `toml:"idle_timeout"`
	// RequestsPerMinute bounds the requests for tokens from one address, or one /64 of IPv6, before the next is answered 429.
	// Discovery has as many, the sign-in pages half, device registration a quarter and device codes a twentieth. Default 6000.
	RequestsPerMinute int `toml:"requests_per_minute"`
	// Connections bounds how many connections are open at the same time. Default 8192.
	Connections int `toml:"connections"`
	// ConnectionsPerAddress bounds how many of them one address has, or one /64 of IPv6. Trusted proxies are exempt. Default
	// 2048.
	ConnectionsPerAddress int `toml:"connections_per_address"`
	// Unlimited are networks or addresses that RequestsPerMinute and ConnectionsPerAddress do not hold back. None by default,
	// not even this machine.
	Unlimited []string `toml:"unlimited"`
}

// Prefixes returns Unlimited as networks. Entries that Validate refuses are left out.
func (l Limits) Prefixes() []netip.Prefix { return prefixes(l.Unlimited) }

// Proxy names the load balancers whose word about a client's address is believed.
type Proxy struct {
	// Trusted are networks or addresses, such as 10.1.2.0/24, of proxies whose X-Forwarded-For header is believed. None by
	// default: the address of the connection counts.
	Trusted []string `toml:"trusted"`
}

// Prefixes returns Trusted as networks. Entries that Validate refuses are left out.
func (p Proxy) Prefixes() []netip.Prefix { return prefixes(p.Trusted) }

// Metrics says who may read the metrics: they tell how busy an organisation is and how often it refuses.
type Metrics struct {
	// Allow are networks or addresses that /metrics answers to; to others it does not exist. Default this machine alone.
	Allow []string `toml:"allow"`
}

// Prefixes returns Allow as networks. Entries that Validate refuses are left out.
func (m Metrics) Prefixes() []netip.Prefix { return prefixes(m.Allow) }

func prefixes(texts []string) []netip.Prefix {
	var list []netip.Prefix
	for _, s := range texts {
		if prefix, err := parsePrefix(s); err == nil {
			list = append(list, prefix)
		}
	}
	return list
}

// parsePrefix reads a network or a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	prefix, err := netip.ParsePrefix(s)
	return prefix.Masked(), err
}

// A Duration is a length of time, written as in Go: "90s", "5m". Zero means the default.
type Duration time.Duration

// UnmarshalText reads the Go form.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// MarshalText prints the Go form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String prints the Go form.
func (d Duration) String() string { return time.Duration(d).String() }

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }
