package geoip

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"boundgate/internal/policy"
)

func write(t *testing.T, path string, countries map[string]mmdbtype.DataType) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-Country", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range countries {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func country(code string) mmdbtype.Map {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
}

func TestCountries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	write(t, path, map[string]mmdbtype.DataType{
		"203.0.113.0/24": country("DE"), "2001:db8::/32": country("JP"), "198.51.100.0/24": mmdbtype.Map{"country_code": mmdbtype.String("fr")},
		"192.0.2.0/24": mmdbtype.Map{"continent": mmdbtype.String("EU")},
	})
	d, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	d.now = func() time.Time { return now }
	for address, want := range map[string]string{
		"203.0.113.7": "DE", "::ffff:203.0.113.7": "DE", "2001:db8::1": "JP", "198.51.100.1": "FR",
		"192.0.2.1": policy.UnknownCountry, "8.8.8.8": policy.UnknownCountry,
	} {
		if got := d.Country(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := d.Country(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}

	// The file is read again when it changes, and a broken one leaves the one of before.
	write(t, path, map[string]mmdbtype.DataType{"203.0.113.0/24": country("AT")})
	if err := os.Chtimes(path, now.Add(time.Hour), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(checkEvery)
	if got := d.Country(netip.MustParseAddr("203.0.113.7")); got != "AT" {
		t.Errorf("after the change: %q", got)
	}
	if err := os.WriteFile(path, []byte("half a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(checkEvery)
	if got := d.Country(netip.MustParseAddr("203.0.113.7")); got != "AT" {
		t.Errorf("after a change that cannot be read: %q", got)
	}
}

func TestWhatIsNoDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	if _, err := Open(path, nil); err == nil {
		t.Error("a file that is missing is opened")
	}
	if err := os.WriteFile(path, []byte("not a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil); err == nil {
		t.Error("a file that is no database is opened")
	}
}
