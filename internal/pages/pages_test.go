package pages

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"boundgate/internal/policy"
)

// Every language has the same words, each with the same places to fill in, and none that no page shows.
func TestLanguagesSayTheSame(t *testing.T) {
	english, japanese := Languages[0], Languages[1]
	places := regexp.MustCompile(`\{[a-z]+\}`)
	of := func(l Language) map[string]string {
		all := maps.Clone(l.texts)
		for key, list := range l.lists {
			all[key] = strings.Join(list, "\n")
		}
		return all
	}
	en, ja := of(english), of(japanese)
	for key, text := range en {
		if ja[key] == "" {
			t.Errorf("no Japanese for %s", key)
		}
		if ja[key] == text && key != "brand" {
			t.Errorf("the Japanese of %s is English", key)
		}
		want, got := slices.Compact(slices.Sorted(slices.Values(places.FindAllString(text, -1)))), slices.Compact(slices.Sorted(slices.Values(places.FindAllString(ja[key], -1))))
		if !strings.HasPrefix(key, "refusal.") && !slices.Equal(want, got) {
			t.Errorf("%s: places %v, in Japanese %v", key, want, got)
		}
		for _, place := range got {
			if !slices.Contains(want, place) && !strings.HasPrefix(key, "refusal.") {
				t.Errorf("%s has %s in Japanese alone", key, place)
			}
		}
	}
	if len(en) != len(ja) {
		t.Errorf("%d keys in English, %d in Japanese", len(en), len(ja))
	}
	used := source(t)
	for key := range en {
		if strings.HasPrefix(key, "refusal.") || strings.Contains(used, `"`+key+`"`) {
			continue
		}
		if prefix, _, ok := cutLast(key, "."); ok && (slices.Contains([]string{"detail", "fact", "permission", "me.factor", "me.trust"}, prefix) || strings.HasSuffix(key, ".title")) {
			continue
		}
		t.Errorf("no page shows %s", key)
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// source is all that could name a text: the templates, and the program that fills them.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"templates", "../wire/portal"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(dir + "/" + path) //nolint:gosec // this project's own files
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// Each cause has words of its own in each language, and each way in which a session can fail to be bound is a cause. // S25 S52 S61 S62 B01
func TestEveryCauseHasItsWords(t *testing.T) {
	facts := Facts{Application: "App", Resource: "Res", Organisation: "Org", Home: "Home", Device: "PC", System: "Win", Policy: "P", Minimum: "2", Version: "1", Option: "O", Profile: "K"}
	for _, l := range Languages {
		titles := map[string]Cause{}
		for _, cause := range Causes {
			r := Refusal{Cause: cause, Facts: facts}
			whole := r.title(l) + r.Why(l)
			if strings.Contains(whole, "[") || strings.Contains(whole, "{") || len(r.Steps(l)) == 0 {
				t.Errorf("%s in %s: %s, %d steps", cause, l.Tag, whole, len(r.Steps(l)))
			}
			if other, twice := titles[whole]; twice {
				t.Errorf("%s and %s say the same in %s", cause, other, l.Tag)
			}
			titles[whole] = cause
			if bare := (Refusal{Cause: cause}).Why(l); strings.Contains(bare, "{") {
				t.Errorf("%s without facts: %s", cause, bare)
			}
		}
	}
	for _, reason := range []policy.Reason{
		policy.ReasonProofFailed, policy.ReasonNoProof, policy.ReasonClientTooOld, policy.ReasonBrokerOptionOff, policy.ReasonNotSupported, policy.ReasonNoDevice,
		policy.ReasonOSUnsupported, policy.ReasonOSVersion, policy.ReasonCloudPC, policy.ReasonVirtualDesktop, policy.ReasonPowerAutomate, policy.ReasonSelfDeploying,
		policy.ReasonVMExtension, policy.ReasonBulkEnrolment, policy.ReasonTrustTypeUnknown, policy.ReasonServerNotHybridJoined, policy.ReasonSurfaceHub,
		policy.ReasonTeamsRooms, policy.ReasonStaleRegistration, policy.ReasonDeviceDisabled,
	} {
		if !slices.Contains(Causes, Cause(strings.TrimPrefix(string(reason), "registrationType:"))) {
			t.Errorf("%s is no cause", reason)
		}
	}
}

func TestLanguageIsChosen(t *testing.T) {
	set, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ locales, accept, cookie, query, want string }{
		{"", "", "", "", "en"}, {"", "ja-JP,ja;q=0.9,en;q=0.8", "", "", "ja"}, {"", "de,fr;q=0.5", "", "", "en"}, {"ja", "en", "", "", "ja"},
		{"", "en", "ja", "", "ja"}, {"ja", "ja", "en", "", "ja"}, {"", "ja", "", "?lang=en", "en"}, {"zz-nonsense ja", "", "", "", "ja"},
		{strings.Repeat("x ", 5000), strings.Repeat("en,", 5000), "", "", "en"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/me"+tt.query, nil)
		r.Header.Set("Accept-Language", tt.accept)
		if tt.cookie != "" {
			r.AddCookie(&http.Cookie{Name: languageCookie, Value: tt.cookie})
		}
		w := httptest.NewRecorder()
		if err := set.Render(w, r, http.StatusOK, Frame{Locales: tt.locales}, DeviceDone{Declined: true}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.Body.String(), fmt.Sprintf(`<html lang="%s">`, tt.want)) {
			t.Errorf("%.40q, %.40q, %q, %q: %.60s", tt.locales, tt.accept, tt.cookie, tt.query, w.Body)
		}
	}
}

// Nothing that an attacker chose becomes part of a page's code, and the page's policy would not run it. // P11
func TestHostileNames(t *testing.T) {
	set, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range gallery() {
		w := httptest.NewRecorder()
		if err := set.Render(w, httptest.NewRequest(http.MethodGet, "/x?"+url.QueryEscape(hostile), nil), http.StatusOK, Frame{Organisation: hostile, Back: "/" + hostile}, p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(w.Body.String(), "<script>alert") || strings.Contains(w.Body.String(), "<img src=x") {
			t.Errorf("%s carries a hostile name as code", name)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", name, policy)
		}
	}
}

// A page that signs in in a window of its own keeps its hold on that window; nobody else gets one.
func TestWindowsOfTheirOwn(t *testing.T) {
	set, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"": "same-origin", "https://app.contoso.example": ""} {
		f := Frame{}
		if target != "" {
			f.FormTargets = []string{target}
		}
		w := httptest.NewRecorder()
		if err := set.Render(w, httptest.NewRequest(http.MethodGet, "/me", nil), http.StatusOK, f, DeviceDone{}); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Cross-Origin-Opener-Policy"); got != want {
			t.Errorf("with the target %q: %q", target, got)
		}
	}
}

// Old names of assets are not served, and nothing beside them.
func TestAssets(t *testing.T) {
	set, err := New()
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		set.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	if w := get(AssetRoot + set.hashed["style.css"]); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, path := range []string{AssetRoot + "style.css", AssetRoot + "../pages.go", AssetRoot + "x/" + set.hashed["style.css"], AssetRoot} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
