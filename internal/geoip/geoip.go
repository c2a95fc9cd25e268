// Package geoip finds the country of an address in a database file of MaxMind's format (MMDB), as MaxMind, DB-IP and others
// publish them. None comes with the server.
package geoip

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"boundgate/internal/policy"
)

// maxFile bounds a database file, in bytes.
const maxFile = 512 << 20

// checkEvery is how often the file is looked at for a change.
const checkEvery = 10 * time.Second

// A Database is a file of countries, read again when it changes. It is held in memory, so that a file that is written over
// harms nothing.
type Database struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	reader  *maxminddb.Reader
	version version
	checked time.Time
}

// version tells a file from a changed one.
type version struct {
	at   time.Time
	size int64
}

// Open reads the database at path. A file that is missing, too large or no database is an error.
func Open(path string, log *slog.Logger) (*Database, error) {
	d := &Database{path: path, log: log, now: time.Now}
	var err error
	if d.reader, d.version, err = load(path); err != nil {
		return nil, fmt.Errorf("country database %s: %w", path, err)
	}
	d.checked = d.now()
	return d, nil
}

// Country returns the country of an address as ISO 3166-1 alpha-2 in upper case, policy.UnknownCountry where the database
// has none, and "" where the address is invalid or the database cannot say.
func (d *Database) Country(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	result := d.current().Lookup(address.Unmap())
	if result.Err() != nil {
		return ""
	}
	if !result.Found() {
		return policy.UnknownCountry
	}
	for _, path := range [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		var code string
		if err := result.DecodePath(&code, path...); err == nil && len(code) == 2 {
			return strings.ToUpper(code)
		}
	}
	return policy.UnknownCountry
}

// current returns the database, read again where its file has changed. A file that cannot be read leaves the one of before.
func (d *Database) current() *maxminddb.Reader {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if now.Sub(d.checked) < checkEvery {
		return d.reader
	}
	d.checked = now
	info, err := os.Stat(d.path)
	if err == nil && (version{info.ModTime(), info.Size()}) == d.version {
		return d.reader
	}
	if err == nil {
		var reader *maxminddb.Reader
		var v version
		if reader, v, err = load(d.path); err == nil {
			d.reader, d.version = reader, v
		}
	}
	if err != nil {
		d.log.Error("the country database has changed and cannot be read; the one of before stays in use", "file", d.path, "error", err)
	}
	return d.reader
}

func load(path string) (*maxminddb.Reader, version, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, version{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, version{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, version{}, err
	}
	if len(data) > maxFile {
		return nil, version{}, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, version{}, fmt.Errorf("it is no database of countries in MaxMind's format: %w", err)
	}
	return reader, version{info.ModTime(), info.Size()}, nil
}
