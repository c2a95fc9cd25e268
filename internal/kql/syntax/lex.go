package syntax

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEOF   tokenKind = iota
	tokenName            // identifiers and words
	tokenPunct           // operators, including !in and in~
	tokenString
	tokenLong
	tokenReal
	tokenTimeSpan
	tokenTyped // datetime(...) and its kin, as one token
)

type token struct {
	Span
	kind tokenKind
	text string // a string's value; a typed literal's word
	arg  string // what stands in a typed literal's parentheses
}

// typedWords are the words that, before a parenthesis, make a literal whose inside follows no grammar of ours:
// datetime(2026-01-31T10:00Z) is not a subtraction.
var typedWords = map[string]LiteralKind{
	"datetime": DateTime, "date": DateTime, "timespan": TypedTimeSpan, "time": TypedTimeSpan, "guid": TypedGUID,
	"int": TypedInt, "long": TypedLong, "real": TypedReal, "double": TypedReal, "decimal": TypedDecimal,
	"bool": TypedBool, "boolean": TypedBool,
}

// timeUnits are the suffixes of a timespan literal.
var timeUnits = []string{
	"d", "day", "days", "h", "hr", "hrs", "hour", "hours", "m", "min", "minute", "minutes", "s", "sec", "second", "seconds",
	"ms", "milli", "millis", "millisecond", "milliseconds", "micro", "micros", "microsecond", "microseconds", "tick", "ticks",
	"nano", "nanos", "nanosecond", "nanoseconds",
}

var puncts = []string{
	"==", "=~", "!=", "!~", "<=", ">=", "<>", "..", "=>",
	"=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", "{", "}", ",", ";", "|", ".", ":", "?", "~", "!", "@",
}

type lexer struct {
	src  string
	pos  int
	errs []Error
}

// lex cuts the whole text into tokens; the last is always tokenEOF.
func lex(src string) ([]token, []Error) {
	l := &lexer{src: src}
	var tokens []token
	for {
		t, ok := l.next()
		if !ok {
			continue
		}
		tokens = append(tokens, t)
		if t.kind == tokenEOF || len(l.errs) >= maxErrors {
			if t.kind != tokenEOF {
				tokens = append(tokens, token{Span: Span{len(src), len(src)}})
			}
			return tokens, l.errs
		}
	}
}

func (l *lexer) errorf(start, end int, format string, args ...any) {
	if len(l.errs) < maxErrors {
		l.errs = append(l.errs, Errorf(CodeSyntax, Span{start, min(end, len(l.src))}, format, args...))
	}
}

// next returns the next token, or false after an error that it stepped over.
func (l *lexer) next() (token, bool) {
	l.skipSpace()
	start := l.pos
	if start >= len(l.src) {
		return token{Span: Span{start, start}}, true
	}
	c := l.src[start]
	switch {
	case c == '"' || c == '\'':
		return l.quoted(start, start)
	case c == '@' && l.isQuote(start+1):
		return l.verbatim(start, start+1)
	case (c == 'h' || c == 'H') && l.isQuote(start+1):
		return l.quoted(start, start+1)
	case (c == 'h' || c == 'H') && strings.HasPrefix(l.src[start+1:], "@") && l.isQuote(start+2):
		return l.verbatim(start, start+2)
	case strings.HasPrefix(l.src[start:], "```"):
		return l.fenced(start, "```")
	case strings.HasPrefix(l.src[start:], "~~~"):
		return l.fenced(start, "~~~")
	case isDigit(c):
		return l.number(start)
	case isNameStart(c):
		return l.name(start), true
	case c == '!' && start+1 < len(l.src) && isNameStart(l.src[start+1]):
		return l.negated(start), true
	}
	for _, p := range puncts {
		if strings.HasPrefix(l.src[start:], p) {
			l.pos += len(p)
			return token{Span: Span{start, l.pos}, kind: tokenPunct, text: p}, true
		}
	}
	r, n := utf8.DecodeRuneInString(l.src[start:])
	l.pos += n
	l.errorf(start, l.pos, "the character %q has no meaning here", r)
	return token{}, false
}

func (l *lexer) skipSpace() {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v':
			l.pos++
		case c >= utf8.RuneSelf:
			// Word processors and web pages paste spaces of other widths, and byte order marks.
			r, n := utf8.DecodeRuneInString(l.src[l.pos:])
			if !unicode.IsSpace(r) && r != '\ufeff' && r != '\u200b' {
				return
			}
			l.pos += n
		case strings.HasPrefix(l.src[l.pos:], "//"):
			if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
				l.pos += i + 1
			} else {
				l.pos = len(l.src)
			}
		default:
			return
		}
	}
}

func (l *lexer) isQuote(i int) bool {
	return i < len(l.src) && (l.src[i] == '"' || l.src[i] == '\'')
}

// quoted reads a string with backslash escapes whose quote is at i.
func (l *lexer) quoted(start, i int) (token, bool) {
	quote := l.src[i]
	var b strings.Builder
	for i++; i < len(l.src); {
		switch c := l.src[i]; c {
		case quote:
			l.pos = i + 1
			return token{Span: Span{start, l.pos}, kind: tokenString, text: b.String()}, true
		case '\n':
			l.pos = i
			l.errorf(start, i, "the string does not end on its line: close it, or write \\n for a line break")
			return token{}, false
		case '\\':
			i = l.escape(&b, i)
		default:
			b.WriteByte(c)
			i++
		}
	}
	l.pos = len(l.src)
	l.errorf(start, l.pos, "the string does not end: a closing %c is missing", quote)
	return token{}, false
}

var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '\\': '\\', '"': '"', '\'': '\'', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v', '0': 0}

// escape writes what the escape at i stands for and returns the offset behind it.
func (l *lexer) escape(b *strings.Builder, i int) int {
	if i+1 >= len(l.src) {
		return i + 1
	}
	c := l.src[i+1]
	if r, ok := escapes[c]; ok {
		b.WriteByte(r)
		return i + 2
	}
	if r, end := l.codePoint(i); end > i {
		if utf8.ValidRune(r) {
			b.WriteRune(r)
			return end
		}
		low, lowEnd := l.codePoint(end) // of a character beyond \uffff, which takes two
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			b.WriteRune(r)
			return lowEnd
		}
		l.errorf(i, end, "the escape %q stands for no character", l.src[i:end])
		return end
	}
	_, n := utf8.DecodeRuneInString(l.src[i+1:])
	l.errorf(i, i+1+n, "the escape %q is unknown: write \\\\ for a backslash, or put @ before the string", l.src[i:i+1+n])
	return i + 1 + n
}

// codePoint reads an escape such as \u00e9 at i and returns the offset behind it, or i when there is none.
func (l *lexer) codePoint(i int) (rune, int) {
	if i+1 >= len(l.src) || l.src[i] != '\\' {
		return 0, i
	}
	end := i + 2
	switch l.src[i+1] {
	case 'x':
		end += 2
	case 'u':
		end += 4
	case 'U':
		end += 8
	default:
		return 0, i
	}
	if end > len(l.src) {
		return 0, i
	}
	n, err := strconv.ParseUint(l.src[i+2:end], 16, 31)
	if err != nil {
		return 0, i
	}
	return rune(n), end
}

// verbatim reads a string whose only escape is the doubled quote; the quote is at i.
func (l *lexer) verbatim(start, i int) (token, bool) {
	quote := l.src[i]
	var b strings.Builder
	for i++; i < len(l.src); i++ {
		c := l.src[i]
		if c == quote {
			if i+1 >= len(l.src) || l.src[i+1] != quote {
				l.pos = i + 1
				return token{Span: Span{start, l.pos}, kind: tokenString, text: b.String()}, true
			}
			i++
		}
		b.WriteByte(c)
	}
	l.pos = len(l.src)
	l.errorf(start, l.pos, "the string does not end: a closing %c is missing", quote)
	return token{}, false
}

func (l *lexer) fenced(start int, fence string) (token, bool) {
	body := l.src[start+len(fence):]
	end := strings.Index(body, fence)
	if end < 0 {
		l.pos = len(l.src)
		l.errorf(start, l.pos, "the string does not end: a closing %s is missing", fence)
		return token{}, false
	}
	l.pos = start + 2*len(fence) + end
	return token{Span: Span{start, l.pos}, kind: tokenString, text: body[:end]}, true
}

func (l *lexer) digits(i int, ok func(byte) bool) int {
	for i < len(l.src) && ok(l.src[i]) {
		i++
	}
	return i
}

// number reads an integer, a real, or a timespan such as 1.5h.
func (l *lexer) number(start int) (token, bool) {
	if hex := strings.ToLower(l.src[start:min(start+2, len(l.src))]); hex == "0x" {
		l.pos = l.digits(start+2, isHex)
		return token{Span: Span{start, l.pos}, kind: tokenLong, text: l.src[start:l.pos]}, true
	}
	kind, i := tokenLong, l.digits(start, isDigit)
	if j := l.fraction(i); j > i {
		kind, i = tokenReal, j
	}
	if j := l.exponent(i); j > i {
		kind, i = tokenReal, j
	}
	if j := l.digits(i, isNamePart); j > i {
		if !slices.Contains(timeUnits, l.src[i:j]) {
			l.pos = j
			if kind == tokenLong { // a name may begin with a digit, such as 3pLogTime
				return token{Span: Span{start, j}, kind: tokenName, text: l.src[start:j]}, true
			}
			l.errorf(start, j, "%s is neither a number nor a timespan such as 7d or 1.5h", quoted(l.src[start:j]))
			return token{}, false
		}
		kind, i = tokenTimeSpan, j
	}
	l.pos = i
	return token{Span: Span{start, i}, kind: kind, text: l.src[start:i]}, true
}

// fraction returns the offset behind a point at i and the digits that follow it, which may be none: 1000. is a real.
// It returns i when the point begins a range, as in 1..5, or a path.
func (l *lexer) fraction(i int) int {
	if i >= len(l.src) || l.src[i] != '.' {
		return i
	}
	end := l.digits(i+1, isDigit)
	if end > i+1 || end == len(l.src) || l.exponent(end) > end {
		return end
	}
	if c := l.src[end]; c == '.' || c == '[' || isNameStart(c) {
		return i
	}
	return end
}

// exponent returns the offset behind an exponent at i, or i when there is none.
func (l *lexer) exponent(i int) int {
	if i >= len(l.src) || (l.src[i] != 'e' && l.src[i] != 'E') {
		return i
	}
	j := i + 1
	if j < len(l.src) && (l.src[j] == '+' || l.src[j] == '-') {
		j++
	}
	end := l.digits(j, isDigit)
	if end == j || end < len(l.src) && isNamePart(l.src[end]) {
		return i
	}
	return end
}

func (l *lexer) name(start int) token {
	l.pos = l.digits(start+1, isNamePart)
	word := l.src[start:l.pos]
	if (word == "in" || word == "has_any" || word == "has_all") && strings.HasPrefix(l.src[l.pos:], "~") && !strings.HasPrefix(l.src[l.pos:], "~~~") {
		l.pos++
		return token{Span: Span{start, l.pos}, kind: tokenPunct, text: word + "~"}
	}
	if _, ok := typedWords[word]; ok {
		if t, ok := l.typed(start, word); ok {
			return t
		}
	}
	return token{Span: Span{start, l.pos}, kind: tokenName, text: word}
}

// typed reads `word(...)` as one token.
func (l *lexer) typed(start int, word string) (token, bool) {
	open := l.pos
	for open < len(l.src) && (l.src[open] == ' ' || l.src[open] == '\t') {
		open++
	}
	if open >= len(l.src) || l.src[open] != '(' {
		return token{}, false
	}
	end := strings.IndexAny(l.src[open:min(open+128, len(l.src))], ")\n")
	if end < 0 || l.src[open+end] != ')' {
		return token{}, false
	}
	arg := strings.TrimSpace(l.src[open+1 : open+end])
	if strings.Contains(arg, "(") { // a call in there: not a literal
		return token{}, false
	}
	l.pos = open + end + 1
	for n := len(arg); n >= 2 && (arg[0] == '"' || arg[0] == '\'') && arg[n-1] == arg[0]; n = len(arg) {
		arg = strings.TrimSpace(arg[1 : n-1])
	}
	return token{Span: Span{start, l.pos}, kind: tokenTyped, text: word, arg: arg}, true
}

// negated reads !in, !has and the like as one operator.
func (l *lexer) negated(start int) token {
	l.pos = l.digits(start+1, isNamePart)
	if l.src[start:l.pos] == "!in" && strings.HasPrefix(l.src[l.pos:], "~") {
		l.pos++
	}
	return token{Span: Span{start, l.pos}, kind: tokenPunct, text: l.src[start:l.pos]}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func isNameStart(c byte) bool {
	return c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isNamePart(c byte) bool { return isNameStart(c) && c != '$' || isDigit(c) }
