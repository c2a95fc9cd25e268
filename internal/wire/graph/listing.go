package graph

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/odata"
)

// listOptions are the query options of every list that is held in memory.
var listOptions = []string{"$filter", "$select", "$orderby", "$top", "$skip", "$skiptoken", "$count", "$search"}

// counted makes a list answer with how many there are, as text.
func counted(list func(*request) error) func(*request) error {
	return func(q *request) error {
		q.counting = true
		return list(q)
	}
}

// filtered sends what the query options select of a list: $filter and $search narrow it, $orderby sorts it, $skip, $top and
// $skiptoken cut a page out, $count counts what there is without the page, $select leaves members out. fields are members that a
// filter may name also where the list is empty.
func (q *request) filtered(fragment string, value []members, fields ...string) error {
	value, err := q.narrowed(value, fields)
	if err != nil {
		return err
	}
	if q.counting {
		return q.replyText(strconv.Itoa(len(value)))
	}
	total := len(value)
	if value, err = q.sorted(value); err != nil {
		return err
	}
	value, next, err := q.cut(value)
	if err != nil {
		return err
	}
	if err := q.selectMembers(value); err != nil {
		return err
	}
	m := members{"@odata.context": q.context(fragment), "value": list(value)}
	if next != "" {
		m["@odata.nextLink"] = next
	}
	count, err := q.wantsCount()
	if err != nil {
		return err
	}
	if count {
		m["@odata.count"] = total
	}
	return q.reply(http.StatusOK, m)
}

func (q *request) replyText(text string) error {
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = q.w.Write([]byte(text)) // a caller who has gone cannot be told
	return nil
}

func (q *request) wantsCount() (bool, error) {
	text, ok := q.options["$count"]
	if ok && text != "true" && text != "false" {
		return false, badRequest("The option $count is true or false.")
	}
	return text == "true", nil
}

// A view is an object as JSON sees it, beside the object.
type view struct {
	members members
	object  map[string]any
}

func viewsOf(value []members) ([]view, error) {
	views := make([]view, len(value))
	for i, m := range value {
		object, err := odata.Object(m)
		if err != nil {
			return nil, fmt.Errorf("look at an object as JSON: %w", err)
		}
		views[i] = view{m, object}
	}
	return views, nil
}

func (q *request) narrowed(value []members, fields []string) ([]members, error) {
	text, filters := q.options["$filter"]
	words, searches := q.options["$search"]
	if !filters && !searches {
		return value, nil
	}
	keep := func(map[string]any) bool { return true }
	if filters {
		f, err := odata.ParseFilter(text)
		if err != nil {
			return nil, optionError(err)
		}
		for _, name := range f.Paths {
			if err := known(name, value, fields); err != nil {
				return nil, err
			}
		}
		keep = f.Match
	}
	search := func(map[string]any) bool { return true }
	if searches {
		var err error
		if search, err = q.search(words, value, fields); err != nil {
			return nil, err
		}
	}
	views, err := viewsOf(value)
	if err != nil {
		return nil, err
	}
	kept := []members{}
	for _, v := range views {
		if keep(v.object) && search(v.object) {
			kept = append(kept, v.members)
		}
	}
	return kept, nil
}

func optionError(err error) error {
	var wrong *odata.Error
	if !errors.As(err, &wrong) {
		return err
	}
	e := badRequest("%s", wrong.Message)
	e.remedy = wrong.Remedy
	return e
}

// known refuses a member that no object of the list has.
func known(name string, value []members, fields []string) error {
	has := func(m members) bool { _, ok := m[name]; return ok }
	if len(value) == 0 && len(fields) == 0 || contains(fields, name) || slices.ContainsFunc(value, has) {
		return nil
	}
	e := badRequest("There is no property %q here.", name)
	var names []string
	if len(value) > 0 {
		for each := range value[0] {
			if !strings.HasPrefix(each, "@") {
				names = append(names, each)
			}
		}
	}
	names = append(names, fields...)
	slices.Sort(names)
	e.remedy = "There are " + strings.Join(slices.Compact(names), ", ") + "."
	return e
}

// search reads $search: "member:text", several of them joined by AND or OR. A text is found at the beginning of a word.
func (q *request) search(text string, value []members, fields []string) (func(map[string]any) bool, error) {
	bad := badRequest(`The option $search is written like "displayName:text", with the double quotes, and AND or OR between several.`)
	result := func(map[string]any) bool { return false }
	rest, join := strings.TrimSpace(text), "OR"
	for {
		inner, behind, ok := strings.Cut(strings.TrimPrefix(rest, `"`), `"`)
		name, word, colon := strings.Cut(inner, ":")
		if !strings.HasPrefix(rest, `"`) || !ok || !colon || word == "" {
			return nil, bad
		}
		if err := known(name, value, fields); err != nil {
			return nil, err
		}
		before, all := result, join == "AND"
		result = func(o map[string]any) bool {
			here := hasWord(o[name], word)
			if all {
				return before(o) && here
			}
			return before(o) || here
		}
		rest = strings.TrimSpace(behind)
		if rest == "" {
			return result, nil
		}
		if join, rest, ok = strings.Cut(rest, " "); !ok || join != "AND" && join != "OR" {
			return nil, bad
		}
		rest = strings.TrimSpace(rest)
	}
}

func hasWord(v any, word string) bool {
	text, ok := v.(string)
	if !ok {
		return false
	}
	text, word = strings.ToLower(text), strings.ToLower(word)
	return strings.HasPrefix(text, word) || slices.ContainsFunc(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" -_.@", r) }),
		func(w string) bool { return strings.HasPrefix(w, word) })
}

// sorted sorts by $orderby; without it the order stays as it is.
func (q *request) sorted(value []members) ([]members, error) {
	text, ok := q.options["$orderby"]
	if !ok {
		return value, nil
	}
	type key struct {
		path []string
		desc bool
	}
	var keys []key
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "asc" && words[1] != "desc" {
			return nil, badRequest("The option $orderby is written like displayName desc.")
		}
		path := strings.Split(words[0], "/")
		if err := known(path[0], value, nil); err != nil {
			return nil, err
		}
		keys = append(keys, key{path, len(words) == 2 && words[1] == "desc"})
	}
	views, err := viewsOf(value)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(views, func(a, b view) int {
		for _, k := range keys {
			if c := odata.Compare(odata.At(a.object, k.path), odata.At(b.object, k.path)); c != 0 {
				if k.desc {
					return -c
				}
				return c
			}
		}
		return 0
	})
	out := make([]members, len(views))
	for i, v := range views {
		out[i] = v.members
	}
	return out, nil
}

// A continuation says where a page ended. It comes back from a client, and is taken as what it is: a place in a list.
type continuation struct {
	Index int    `json:"i"`
	Last  string `json:"l,omitempty"` // id of the last object of the page: the list may have changed
}

// maxPage bounds a page where the client does not.
const maxPage = 999

// cut cuts the page out of the list and returns the address of the next one, "" for none.
func (q *request) cut(value []members) (page []members, next string, err error) {
	size, err := q.top(maxPage)
	if err != nil {
		return nil, "", err
	}
	start := 0
	if text, ok := q.options["$skip"]; ok {
		if start, err = strconv.Atoi(text); err != nil || start < 0 {
			return nil, "", badRequest("The option $skip is a number from 0 on.")
		}
	}
	if text, ok := q.options["$skiptoken"]; ok {
		if start, err = behind(text, value); err != nil {
			return nil, "", err
		}
	}
	start = min(start, len(value))
	end := min(start+size, len(value))
	page = value[start:end]
	if end == len(value) || len(page) == 0 {
		return page, "", nil
	}
	c := continuation{Index: end}
	c.Last = idOfMembers(page[len(page)-1])
	token, err := json.Marshal(c)
	if err != nil {
		return nil, "", fmt.Errorf("encode a continuation: %w", err)
	}
	delete(q.options, "$skip") // the continuation knows
	return page, q.nextPage(base64.RawURLEncoding.EncodeToString(token)), nil
}

func idOfMembers(m members) string {
	if m["id"] == nil {
		return ""
	}
	return fmt.Sprint(m["id"])
}

// behind finds where a continuation goes on: behind the object that was the last, or, where that is gone, at its place.
func behind(token string, value []members) (int, error) {
	var c continuation
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || c.Index < 0 {
		return 0, ErrBadContinuation
	}
	if i := slices.IndexFunc(value, func(m members) bool { return c.Last != "" && idOfMembers(m) == c.Last }); i >= 0 {
		return i + 1, nil
	}
	return max(0, c.Index-1), nil
}

// selectMembers leaves out the members that $select does not name; the id and annotations stay.
func (q *request) selectMembers(value []members) error {
	text, ok := q.options["$select"]
	if !ok || text == "*" {
		return nil
	}
	wanted := map[string]bool{"id": true}
	for name := range strings.SplitSeq(text, ",") {
		name, _, _ = strings.Cut(strings.TrimSpace(name), "/")
		if err := known(name, value, nil); err != nil {
			return err
		}
		wanted[name] = true
	}
	for _, m := range value {
		for name := range m {
			if !wanted[name] && !strings.HasPrefix(name, "@") {
				delete(m, name)
			}
		}
	}
	return nil
}
