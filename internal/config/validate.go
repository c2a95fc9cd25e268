package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Validate reports everything that is wrong with c, whose defaults are filled in, as Problems. It looks at nothing but c:
// whether a file exists shows when it is opened.
func (c Config) Validate() error {
	var v validation
	v.address("listen", c.Listen)
	v.url("public_url", c.PublicURL, c.Listen)
	v.deviceRegistration(c)
	v.tls(c.TLS)
	v.masterKey(c)
	v.databases(c)
	v.log(c.Log)
	v.limits(c.Limits)
	v.proxy(c.Proxy)
	v.metrics(c.Metrics)
	return v.problems.orNil()
}

// A validation collects problems.
type validation struct{ problems Problems }

// refuse notes a problem with a key.
func (v *validation) refuse(where, what, remedy string) {
	v.problems = append(v.problems, &Problem{Where: where, What: what, Remedy: remedy})
}

func (v *validation) address(where, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		v.refuse(where, fmt.Sprintf("%q is not an address with a port", addr),
			`Write it as "127.0.0.1:8443", or ":8443" to listen on every address.`)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.refuse(where, fmt.Sprintf("port %q is not a number from 0 to 65535", port), `Write it as "127.0.0.1:8443".`)
	}
}

// url checks how clients reach the listener on addr. It may be missing only while the port is not known yet.
func (v *validation) url(where, text, addr string) {
	if text == "" {
		if _, port, err := net.SplitHostPort(addr); err == nil && port != "0" {
			v.refuse(where, "is missing", `Set it to the URL that clients use, such as "https://login.contoso.example".`)
		}
		return
	}
	const remedy = `Write scheme, host and port only, such as "https://login.contoso.example".`
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		v.refuse(where, "is not a URL with a host", remedy)
	case u.Scheme != "https":
		v.refuse(where, fmt.Sprintf("has the scheme %q; tokens travel over https only", u.Scheme), remedy)
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		v.refuse(where, "has more than a host and a port", remedy)
	}
}

func (v *validation) deviceRegistration(c Config) {
	d := c.DeviceRegistration
	v.address("[device_registration] listen", d.Listen)
	v.url("[device_registration] url", d.URL, d.Listen)
	if sameListener(c.Listen, d.Listen) {
		v.refuse("[device_registration] listen", "is the main listener",
			"Give it a port of its own: client certificates are requested there, and a browser on the main listener would prompt for one.")
	}
	public, err := url.Parse(c.PublicURL)
	for _, name := range d.HostNames {
		v.dnsName("[device_registration] host_names", name)
		if err == nil && strings.EqualFold(public.Hostname(), name) {
			v.refuse("[device_registration] host_names", fmt.Sprintf("%q is also the host of public_url, where browsers sign in", name),
				"Use a name that only devices use, such as enterpriseregistration.contoso.example.")
		}
	}
}

// sameListener reports whether two addresses name the same port on the same host. Port 0 is a new one each time.
func sameListener(a, b string) bool {
	_, port, err := net.SplitHostPort(a)
	return err == nil && port != "0" && a == b
}

// dnsLabels matches a host name without a wildcard, RFC 1123 section 2.1.
var dnsLabels = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

func (v *validation) dnsName(where, name string) {
	if len(name) > 253 || !dnsLabels.MatchString(name) {
		v.refuse(where, fmt.Sprintf("%q is not a DNS name", name),
			"Write each name in full, without a scheme, a port or a wildcard.")
	}
}

func (v *validation) tls(t TLS) {
	const remedy = "Set both certificate_file and key_file, or neither to use a development certificate."
	if t.CertificateFile != "" && t.KeyFile == "" {
		v.refuse("[tls] key_file", "is missing", remedy)
	}
	if t.KeyFile != "" && t.CertificateFile == "" {
		v.refuse("[tls] certificate_file", "is missing", remedy)
	}
	for _, name := range t.HostNames {
		if _, err := netip.ParseAddr(name); err != nil {
			v.dnsName("[tls] host_names", name)
		}
	}
}

// sources names the keys of the sources that are set.
func (m MasterKey) sources() []string {
	var set []string
	if m.File != "" {
		set = append(set, "file")
	}
	if !m.Passphrase.IsZero() {
		set = append(set, "passphrase")
	}
	if m.PassphraseFile != "" {
		set = append(set, "passphrase_file")
	}
	if len(m.Command) > 0 {
		set = append(set, "command")
	}
	return set
}

func (v *validation) masterKey(c Config) {
	m := c.MasterKey
	if set := m.sources(); len(set) != 1 {
		v.refuse("[master_key]", fmt.Sprintf("has %d sources (%s)", len(set), strings.Join(set, ", ")),
			"Keep exactly one of file, passphrase (or passphrase_file) and command.")
	}
	if len(m.Command) > 0 && m.Command[0] == "" {
		v.refuse("[master_key] command", "names no program", `Write the program and its arguments, such as ["/usr/local/bin/master-key"].`)
	}
	v.outsideData("[master_key] file", m.File, c.DataDir)
	v.outsideData("[master_key] passphrase_file", m.PassphraseFile, c.DataDir)
}

func (v *validation) outsideData(where, path, dataDir string) {
	if path != "" && Inside(dataDir, path) {
		v.refuse(where, "lies inside the data directory, where a copy of the data would take it along",
			"Move it elsewhere, such as "+filepath.Clean(dataDir)+".key beside the data directory.")
	}
}

// Inside reports whether path lies in dir or is dir, by name: symbolic links are not followed.
func Inside(dir, path string) bool {
	absDir, err1 := filepath.Abs(dir)
	absPath, err2 := filepath.Abs(path)
	if err1 != nil || err2 != nil {
		return true // the working directory is gone: assume the worse
	}
	rel, err := filepath.Rel(absDir, absPath)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func (v *validation) databases(c Config) {
	if filepath.Clean(c.Database.Path) == filepath.Clean(c.Logs.Path) {
		v.refuse("[logs] path", "is the same file as [database] path", "Give each database a file of its own.")
	}
	v.between("[logs] retention_days", int64(c.Logs.RetentionDays), 1, 36500)
}

func (v *validation) log(l Log) {
	v.oneOf("[log] level", l.Level, "debug", "info", "warn", "error")
	v.oneOf("[log] format", l.Format, "auto", "text", "json")
}

func (v *validation) oneOf(where, value string, known ...string) {
	if !slices.Contains(known, value) {
		v.refuse(where, fmt.Sprintf("%q is not known", value), "Use one of "+strings.Join(known, ", ")+".")
	}
}

func (v *validation) limits(l Limits) {
	v.between("[limits] password_workers", int64(l.PasswordWorkers), 1, 1024)
	v.between("[limits] password_queue", int64(l.PasswordQueue), 1, 65536)
	v.between("[limits] header_bytes", int64(l.HeaderBytes), 4<<10, 1<<20)
	v.between("[limits] request_bytes", l.RequestBytes, 4<<10, 1<<20)
	v.between("[limits] graph_request_bytes", l.GraphRequestBytes, 4<<10, 16<<20)
	v.between("[limits] read_timeout, in milliseconds,", l.ReadTimeout.Std().Milliseconds(), 100, 600_000)
	v.between("[limits] idle_timeout, in milliseconds,", l.IdleTimeout.Std().Milliseconds(), 100, 3_600_000)
	v.between("[limits] requests_per_minute", int64(l.RequestsPerMinute), 60, 10_000_000)
	v.between("[limits] connections", int64(l.Connections), 16, 1_000_000)
	v.between("[limits] connections_per_address", int64(l.ConnectionsPerAddress), 8, 1_000_000)
	for _, text := range l.Unlimited {
		switch prefix, err := parsePrefix(text); {
		case err != nil:
			v.refuse("[limits] unlimited", fmt.Sprintf("%q is neither a network nor an address", text), `Write networks as "10.1.2.0/24".`)
		case prefix.Bits() == 0:
			v.refuse("[limits] unlimited", fmt.Sprintf("%q is everyone: nobody would be held back", text),
				"Raise requests_per_minute and connections_per_address instead.")
		}
	}
}

func (v *validation) between(where string, n, least, most int64) {
	if n < least || n > most {
		v.refuse(where, fmt.Sprintf("%d is out of range", n),
			fmt.Sprintf("Use a number from %d to %d, or remove the key to use the default.", least, most))
	}
}

func (v *validation) proxy(p Proxy) {
	for _, text := range p.Trusted {
		switch prefix, err := parsePrefix(text); {
		case err != nil:
			v.refuse("[proxy] trusted", fmt.Sprintf("%q is neither a network nor an address", text), `Write networks as "10.1.2.0/24".`)
		case prefix.Bits() == 0:
			v.refuse("[proxy] trusted", fmt.Sprintf("%q is everyone: any client could state any address", text),
				"Name only the addresses of your own proxies.")
		}
	}
}

func (v *validation) metrics(m Metrics) {
	for _, text := range m.Allow {
		if _, err := parsePrefix(text); err != nil {
			v.refuse("[metrics] allow", fmt.Sprintf("%q is neither a network nor an address", text), `Write networks as "10.1.2.0/24".`)
		}
	}
}
