// Package pages is what people see when they sign in: one value per page, drawn on the server in English or Japanese.
//
// It decides nothing and knows no protocol. Everything that a page shows comes in its value and is escaped; the pages work
// without JavaScript, apart from passkeys, and load nothing from elsewhere.
package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

// A Page is something to show: its template has the name of its type in lower case.
type Page interface{ page() string }

// A Set draws pages.
type Set struct {
	templates map[string]*template.Template // by language and page
	assets    map[string]asset              // by hashed name
	hashed    map[string]string             // hashed names by plain ones
}

type asset struct {
	content []byte
	kind    string
}

// AssetRoot is the path below which Assets is to be served.
const AssetRoot = "/assets/sign-in/"

// New parses the templates in every language.
func New() (*Set, error) {
	s := &Set{templates: map[string]*template.Template{}, assets: map[string]asset{}, hashed: map[string]string{}}
	if err := s.loadAssets(); err != nil {
		return nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	for _, language := range Languages {
		for _, name := range names {
			page := strings.TrimSuffix(path.Base(name), ".html")
			if page == "layout" {
				continue
			}
			t, err := template.New("layout.html").Funcs(s.functions(language)).ParseFS(templateFiles, "templates/layout.html", name)
			if err != nil {
				return nil, fmt.Errorf("pages: %s: %w", name, err)
			}
			s.templates[language.Tag+"/"+page] = t
		}
	}
	return s, nil
}

func (s *Set) loadAssets() error {
	files, err := fs.Glob(assetFiles, "assets/*")
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, name := range files {
		content, err := assetFiles.ReadFile(name)
		if err != nil {
			return fmt.Errorf("pages: %w", err)
		}
		digest := sha256.Sum256(content)
		plain, ext := path.Base(name), path.Ext(name)
		hashed := strings.TrimSuffix(plain, ext) + "." + hex.EncodeToString(digest[:8]) + ext
		s.hashed[plain], s.assets[hashed] = hashed, asset{content, kinds[ext]}
	}
	return nil
}

// functions are what templates may call.
func (s *Set) functions(l Language) template.FuncMap {
	return template.FuncMap{
		"t":     func(key string, args ...any) string { return l.Text(key, args...) },
		"list":  l.List,
		"asset": func(name string) string { return AssetRoot + s.hashed[name] },
		"when":  func(t time.Time) string { return t.UTC().Format(l.timeForm) },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}
}

// A Frame is what surrounds every page.
type Frame struct {
	// Locales are the languages that the client asks for (ui_locales), before those of the browser.
	Locales string
	// Organisation is whose sign-in it is; "" before that is known.
	Organisation string
	// Back is the local address under which the page is reached anew; "" for that of the request.
	Back string
	// FormTargets are the origins, or schemes, that a form may lead to beyond this server: browsers hold redirects after a
	// form to the policy, too.
	FormTargets []string
}

// view is what the templates get.
type view struct {
	Frame
	Language  Language
	Languages []Language
	Page      Page
	Title     string
}

// Render answers a request with a page.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, status int, f Frame, p Page) error {
	l := choose(r, f.Locales)
	t, ok := s.templates[l.Tag+"/"+p.page()]
	if !ok {
		return fmt.Errorf("pages: no page %s in %s", p.page(), l.Tag)
	}
	v := view{Frame: f, Language: l, Languages: Languages, Page: p}
	if v.Back == "" && r.Method == http.MethodGet {
		v.Back = r.URL.RequestURI()
	}
	if titled, ok := p.(interface{ title(l Language) string }); ok {
		v.Title = titled.title(l)
	} else {
		v.Title = l.Text(p.page() + ".title")
	}
	var body bytes.Buffer
	if err := t.Execute(&body, v); err != nil {
		return fmt.Errorf("pages: draw %s: %w", p.page(), err)
	}
	headers(w.Header(), f)
	w.Header().Set("Content-Language", l.Tag)
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}

// headers keep the page to itself: nothing is loaded from elsewhere, nobody frames it, and no address leaks.
func headers(h http.Header, f Frame) {
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; require-trusted-types-for 'script'; form-action 'self'"
	for _, target := range f.FormTargets {
		policy += " " + target
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if len(f.FormTargets) == 0 {
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	} // else a page may have opened the sign-in in a window of its own, and waits for that window to come back
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
	h.Add("Vary", "Accept-Language, Cookie")
}

// Assets serves style sheet and scripts under names that change with their content.
func (s *Set) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := s.assets[path.Base(r.URL.Path)]
		if !ok || r.URL.Path != AssetRoot+path.Base(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(a.content) // the client is gone where this fails
	})
}
