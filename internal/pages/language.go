package pages

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

//go:embed text/*.json
var textFiles embed.FS

// A Language is one in which the pages speak.
type Language struct {
	Tag      string // BCP 47
	Name     string // in itself
	timeForm string
	texts    map[string]string
	lists    map[string][]string
}

// Languages are the languages, the first being that of those who ask for none of them.
var Languages = []Language{
	load("en", "English", "2 Jan 2006, 15:04 UTC"),
	load("ja", "日本語", "2006年1月2日 15:04 UTC"),
}

var matcher = language.NewMatcher([]language.Tag{language.English, language.Japanese})

func load(tag, name, timeForm string) Language {
	l := Language{Tag: tag, Name: name, timeForm: timeForm, texts: map[string]string{}, lists: map[string][]string{}}
	content, err := textFiles.ReadFile("text/" + tag + ".json")
	if err != nil {
		panic("pages: " + err.Error()) // built into the program: wrong only if the program is
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(content, &all); err != nil {
		panic("pages: text/" + tag + ".json: " + err.Error())
	}
	for key, raw := range all {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			l.texts[key] = text
			continue
		}
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil {
			panic("pages: text/" + tag + ".json: " + key + " is neither a text nor a list")
		}
		l.lists[key] = list
	}
	return l
}

// Text returns the words for a key, with the values of pairs in the places that their names mark: {name}. A key without
// words is a mistake in the program, and shows.
func (l Language) Text(key string, pairs ...any) string {
	text, ok := l.texts[key]
	if !ok {
		return "[" + key + "]"
	}
	return fill(text, pairs)
}

// List returns the sentences for a key; none where there are none.
func (l Language) List(key string, pairs ...any) []string {
	list := make([]string, 0, len(l.lists[key]))
	for _, text := range l.lists[key] {
		list = append(list, fill(text, pairs))
	}
	return list
}

func (l Language) has(key string) bool { _, ok := l.texts[key]; return ok }

func fill(text string, pairs []any) string {
	var replacements []string
	for n := 0; n+1 < len(pairs); n += 2 {
		replacements = append(replacements, "{"+fmt.Sprint(pairs[n])+"}", fmt.Sprint(pairs[n+1]))
	}
	return strings.NewReplacer(replacements...).Replace(text)
}

// languageCookie remembers a choice that was made on a page.
const languageCookie = "boundgate-language"

// choose finds the language of a request: one that was chosen on a page, what the client asks for, what the browser does.
func choose(r *http.Request, locales string) Language {
	if chosen := r.URL.Query().Get("lang"); chosen != "" && r.Method == http.MethodGet {
		locales = chosen
	} else if c, err := r.Cookie(languageCookie); err == nil && locales == "" {
		locales = c.Value
	}
	const most = 200 // bytes
	var wanted []language.Tag
	for _, tag := range strings.Fields(locales[:min(len(locales), most)]) {
		if parsed, err := language.Parse(tag); err == nil {
			wanted = append(wanted, parsed)
		}
	}
	accept := r.Header.Get("Accept-Language")
	if tags, _, err := language.ParseAcceptLanguage(accept[:min(len(accept), most)]); err == nil {
		wanted = append(wanted, tags...)
	}
	_, n, _ := matcher.Match(wanted...)
	return Languages[n]
}
