package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestDisplayWidth(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
	}{
		{"", 0},
		{"LAPTOP-7", 8},
		{"端末", 4},
		{"ｱｲｳ", 3}, // half-width katakana
		{"ＡＢ", 4},  // full-width letters
		{"e\u0301", 1},
		{"Autopilot 自己展開プロファイル", 30},
	} {
		if got := displayWidth(tt.text); got != tt.want {
			t.Errorf("displayWidth(%q) = %d, want %d", tt.text, got, tt.want)
		}
	}
}

func TestTableAlignsWideText(t *testing.T) {
	tab := table{header: []string{"DEVICE", "OWNER"}}
	tab.add("端末一号", "mika")
	tab.add("PC", "健")
	var out bytes.Buffer
	if err := tab.write(&out, style{}); err != nil {
		t.Fatal(err)
	}
	want := "DEVICE    OWNER\n端末一号  mika\nPC        健\n"
	if out.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", out.String(), want)
	}
}

// FuzzVisible holds the printing of names to one promise: no control character and no change of direction reaches the
// terminal.
func FuzzVisible(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[2Jgone")
	f.Add("a\u202eb\u2066c\nd\x9be")
	f.Fuzz(func(t *testing.T, s string) {
		if got := visible(s); strings.ContainsFunc(got, hidden) {
			t.Fatalf("visible(%q) = %q", s, got)
		}
	})
}
