package devicefilter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	stringToken
	leftParen
	rightParen
	leftBracket
	rightBracket
	comma
)

// A token is a piece of a rule. The text of a word has plain hyphens; that of a string is its value.
type token struct {
	kind tokenKind
	text string
	span span
}

var punctuation = map[rune]tokenKind{
	'(': leftParen, ')': rightParen, '[': leftBracket, ']': rightBracket, ',': comma,
}

// Quotation marks. Pasted text carries typographic ones, which open and close a string as plain ones do.
const (
	doubleQuotes      = "\"\u201c\u201d\u201e\u201f"
	singleQuotes      = "'\u2018\u2019\u201a\u201b"
	typographicDashes = "\u2010\u2011\u2012\u2013\u2014\u2015"
)

func isDoubleQuote(r rune) bool { return strings.ContainsRune(doubleQuotes, r) }
func isSingleQuote(r rune) bool { return strings.ContainsRune(singleQuotes, r) }

// A lexer cuts a rule into tokens.
type lexer struct {
	src string
	pos int
}

func (l *lexer) next() (token, *SyntaxError) {
	l.skipSpace()
	start := l.pos
	r, size := utf8.DecodeRuneInString(l.src[l.pos:])
	switch {
	case size == 0:
		return token{kind: endToken, span: span{start, start}}, nil
	case isDoubleQuote(r), isSingleQuote(r):
		return l.quoted(r)
	}
	if kind, ok := punctuation[r]; ok {
		l.pos += size
		return token{kind: kind, text: l.src[start:l.pos], span: span{start, l.pos}}, nil
	}
	return l.word(), nil
}

func (l *lexer) skipSpace() {
	rest := strings.TrimLeftFunc(l.src[l.pos:], unicode.IsSpace)
	l.pos = len(l.src) - len(rest)
}

// word reads up to the next space, quote or punctuation: names, operators, bare values, and whatever else somebody wrote.
func (l *lexer) word() token {
	start := l.pos
	end := strings.IndexFunc(l.src[start:], func(r rune) bool {
		_, punctuated := punctuation[r]
		return punctuated || unicode.IsSpace(r) || isDoubleQuote(r) || isSingleQuote(r)
	})
	if end < 0 {
		end = len(l.src) - start
	}
	l.pos = start + end
	return token{kind: wordToken, text: plainDashes(l.src[start:l.pos]), span: span{start, l.pos}}
}

func plainDashes(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(typographicDashes, r) {
			return '-'
		}
		return r
	}, s)
}

// quoted reads a string. A plain quote is closed by the same plain quote only, so that a value may hold typographic ones;
// a typographic quote is closed by any of its kind, since word processors mix them.
func (l *lexer) quoted(open rune) (token, *SyntaxError) {
	double := isDoubleQuote(open)
	start, closers := l.pos, string(open)
	if double && open != '"' {
		closers = doubleQuotes
	} else if !double && open != '\'' {
		closers = singleQuotes
	}
	var value strings.Builder
	l.pos += utf8.RuneLen(open)
	for l.pos < len(l.src) {
		r, size := utf8.DecodeRuneInString(l.src[l.pos:])
		following, followingSize := utf8.DecodeRuneInString(l.src[l.pos+size:])
		switch {
		case double && r == '`' && (following == '`' || isDoubleQuote(following)),
			!double && r == '\'' && following == '\'' && open == '\'':
			value.WriteRune(following)
			l.pos += size + followingSize
		case strings.ContainsRune(closers, r):
			l.pos += size
			return token{kind: stringToken, text: value.String(), span: span{start, l.pos}}, nil
		default:
			value.WriteRune(r)
			l.pos += size
		}
	}
	return token{}, errorAt(span{start, len(l.src)}, "The string that begins here has no closing quotation mark.")
}
