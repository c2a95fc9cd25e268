package graph

import (
	"net/http"
	"net/url"
	"strings"
)

// A route is one operation on one path. In its pattern, {name} stands for one segment; a key in parentheses, as in
// /devices(deviceId={deviceId}), stands for a quoted value.
type route struct {
	method  string
	pattern string
	handle  func(*request) error
	options []string // query options that it takes
}

// splitPath returns the version and the decoded segments behind it.
func splitPath(escaped string) (version string, segments []string) {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, p := range parts {
		if decoded, err := url.PathUnescape(p); err == nil {
			parts[i] = decoded
		}
	}
	return strings.ToLower(parts[0]), parts[1:]
}

// match finds the route of a request. Where only the method is wrong, the error names those that would do.
func match(routes []route, method string, segments []string) (route, map[string]string, error) {
	var allowed []string
	for _, r := range routes {
		vars, ok := matchPattern(r.pattern, segments)
		if !ok {
			continue
		}
		if r.method == method {
			return r, vars, nil
		}
		allowed = append(allowed, r.method)
	}
	if len(allowed) > 0 {
		return route{}, nil, &apiError{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", allow: strings.Join(allowed, ", "),
			message: "The path does not take the method " + method + ".", remedy: "Use " + strings.Join(allowed, " or ") + "."}
	}
	return route{}, nil, &apiError{status: http.StatusNotFound, code: "ResourceNotFound",
		message: "This server has no such path.", remedy: "Look for the path in the list of supported Graph routes."}
}

func matchPattern(pattern string, segments []string) (map[string]string, bool) {
	wanted := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	if len(wanted) != len(segments) {
		return nil, false
	}
	vars := map[string]string{}
	for i, w := range wanted {
		if !matchSegment(w, segments[i], vars) {
			return nil, false
		}
	}
	return vars, true
}

// matchSegment matches one segment: "{name}", "literal" or "literal(key={name})".
func matchSegment(wanted, got string, vars map[string]string) bool {
	before, rest, hasVar := strings.Cut(wanted, "{")
	if !hasVar {
		return strings.EqualFold(wanted, got)
	}
	name, after, _ := strings.Cut(rest, "}")
	if before == "" && after == "" {
		vars[name] = got
		return got != ""
	}
	if len(got) < len(before)+len(after) || !strings.EqualFold(got[:len(before)], before) || !strings.HasSuffix(got, after) {
		return false
	}
	value, ok := unquote(got[len(before) : len(got)-len(after)])
	vars[name] = value
	return ok && value != ""
}

// unquote returns the text of an OData string literal.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return "", false
	}
	inner := s[1 : len(s)-1]
	if strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
		return "", false
	}
	return strings.ReplaceAll(inner, "''", "'"), true
}
