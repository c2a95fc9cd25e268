package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/quick"
)

var place = AssociatedData{Tenant: "t1", Table: "sessions", Row: "r1", Column: "session_key"}

func sealed(t testing.TB, k *Keyring, text string, ad AssociatedData) []byte {
	t.Helper()
	out, err := k.Seal([]byte(text), ad)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// P16
func TestASealedValueOpensOnlyInItsPlace(t *testing.T) {
	k := Generate()
	value := sealed(t, k, "the session key", place)
	if got, err := k.Open(value, place); err != nil || string(got) != "the session key" {
		t.Fatalf("in its place: %q, %v", got, err)
	}
	for name, other := range map[string]AssociatedData{
		"another tenant": {Tenant: "t2", Table: "sessions", Row: "r1", Column: "session_key"},
		"no tenant":      {Table: "sessions", Row: "r1", Column: "session_key"},
		"another table":  {Tenant: "t1", Table: "devices", Row: "r1", Column: "session_key"},
		"another row":    {Tenant: "t1", Table: "sessions", Row: "r2", Column: "session_key"},
		"another column": {Tenant: "t1", Table: "sessions", Row: "r1", Column: "transport_key"},
		"the same text cut elsewhere between tenant and table": {Tenant: "t1s", Table: "essions", Row: "r1", Column: "session_key"},
		"the same text cut elsewhere between row and column":   {Tenant: "t1", Table: "sessions", Row: "r1s", Column: "ession_key"},
	} {
		if got, err := k.Open(value, other); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("%s: %q, %v; want ErrOpen", name, got, err)
		}
	}
}

// P16
func TestAnyFlippedBitIsRefused(t *testing.T) {
	k := Generate()
	value := sealed(t, k, "k", place)
	for i := range len(value) * 8 {
		altered := bytes.Clone(value)
		altered[i/8] ^= 1 << (i % 8)
		if _, err := k.Open(altered, place); err == nil {
			t.Errorf("bit %d flipped unseen", i)
		}
	}
	for n := range value {
		if _, err := k.Open(value[:n], place); err == nil {
			t.Errorf("cut to %d bytes unseen", n)
		}
	}
}

// P16
func TestASealedValueShowsNothing(t *testing.T) {
	k := Generate()
	text := strings.Repeat("session key ", 4)
	one, two := sealed(t, k, text, place), sealed(t, k, text, place)
	if bytes.Contains(one, []byte("session key")) {
		t.Error("the plaintext shows")
	}
	if bytes.Equal(one[headerSize:headerSize+12], two[headerSize:headerSize+12]) {
		t.Error("a nonce was used twice")
	}
}

func TestWhatIsSealedOpensAndNeverUnderAnotherKey(t *testing.T) {
	k, stranger := Generate(), Generate()
	property := func(text []byte, tenant, table, row, column string) bool {
		ad := AssociatedData{tenant, "t" + table, "r" + row, "c" + column}
		value, err := k.Seal(text, ad)
		if err != nil {
			return false
		}
		got, err := k.Open(value, ad)
		_, strange := stranger.Open(value, ad)
		return err == nil && bytes.Equal(got, text) && errors.Is(strange, ErrUnknownKey)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestAPlaceIsNeededToSealAndToOpen(t *testing.T) {
	k := Generate()
	for _, ad := range []AssociatedData{{}, {Table: "t", Row: "r"}, {Table: "t", Column: "c"}, {Row: "r", Column: "c"}} {
		_, sealErr := k.Seal([]byte("x"), ad)
		_, openErr := k.Open([]byte("x"), ad)
		if !errors.Is(sealErr, ErrPlace) || !errors.Is(openErr, ErrPlace) {
			t.Errorf("%+v: seal %v, open %v", ad, sealErr, openErr)
		}
	}
}

func TestARotatedKeyringOpensOldValuesAndNamesThemStale(t *testing.T) {
	oldKey, newKey := randomKey(), randomKey()
	before, after := New(oldKey), New(newKey, oldKey)
	value := sealed(t, before, "x", place)
	if got, err := after.Open(value, place); err != nil || string(got) != "x" {
		t.Errorf("old value: %q, %v", got, err)
	}
	fresh := sealed(t, after, "x", place)
	if !after.Stale(value) || after.Stale(fresh) {
		t.Error("want the old value stale and the new one fresh")
	}
	if _, err := before.Open(fresh, place); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the old keyring opens a new value: %v", err)
	}
}

func TestACheckValueRecognisesItsKey(t *testing.T) {
	k := Generate()
	if err := k.VerifyCheck(k.CheckValue()); err != nil {
		t.Errorf("own check value: %v", err)
	}
	if err := Generate().VerifyCheck(k.CheckValue()); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("another key's check value: %v", err)
	}
	if err := k.VerifyCheck([]byte("?")); !errors.Is(err, ErrMalformed) {
		t.Errorf("no check value: %v", err)
	}
	if err := k.VerifyCheck(sealed(t, k, "something else", checkPlace)); !errors.Is(err, ErrMalformed) {
		t.Errorf("another text: %v", err)
	}
}

// P11
func TestAKeyringPrintsAsRedacted(t *testing.T) {
	secret := [KeySize]byte([]byte("0123456789abcdefghijklmnopqrstuv"))
	k := New(secret)
	type holder struct {
		hidden *Keyring
		value  Keyring
		key    masterKey
	}
	asJSON, err := json.Marshal(map[string]any{"k": k})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "k", k)
	prints := []string{string(asJSON), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		prints = append(prints, fmt.Sprintf(verb, k), fmt.Sprintf(verb, holder{k, *k, k.current}))
	}
	for _, printed := range prints {
		for _, form := range []string{"0123456789abc", "[48 49 50", "303132", "0x30, 0x31", "48, 49"} {
			if strings.Contains(printed, form) {
				t.Errorf("the key shows in %s", printed)
			}
		}
	}
}

// P14, P16: whatever is offered as a sealed value is refused, unless it is one.
func FuzzOpen(f *testing.F) {
	k := New([KeySize]byte{1})
	f.Add(sealed(f, k, "x", place), "t1", "sessions", "r1", "session_key")
	f.Add([]byte{version1, 0, 0, 0, 0}, "", "t", "r", "c")
	f.Add([]byte{}, "", "", "", "")
	f.Fuzz(func(t *testing.T, value []byte, tenant, table, row, column string) {
		ad := AssociatedData{tenant, table, row, column}
		text, err := k.Open(value, ad)
		if err == nil && (ad != place || string(text) != "x") {
			t.Fatalf("%x opens as %q at %+v", value, text, ad)
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	k := Generate()
	key := make([]byte, 32)
	for b.Loop() {
		value, err := k.Seal(key, place)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Open(value, place); err != nil {
			b.Fatal(err)
		}
	}
}
