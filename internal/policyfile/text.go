package policyfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	utf8Mark    = []byte{0xef, 0xbb, 0xbf}
	utf16LEMark = []byte{0xff, 0xfe}
	utf16BEMark = []byte{0xfe, 0xff}
)

// decodeText returns a file's text as UTF-8 without byte order mark. Windows tools write UTF-16; it is known by its mark.
func decodeText(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, utf16LEMark):
		return fromUTF16(data[len(utf16LEMark):], binary.LittleEndian)
	case bytes.HasPrefix(data, utf16BEMark):
		return fromUTF16(data[len(utf16BEMark):], binary.BigEndian)
	}
	return bytes.TrimPrefix(data, utf8Mark), nil
}

func fromUTF16(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, errors.New("the text is UTF-16 by its byte order mark and ends inside a character")
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	var text []byte
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) {
			if i++; i == len(units) {
				return nil, errors.New("the text is UTF-16 by its byte order mark and ends inside a character")
			}
			if r = utf16.DecodeRune(r, rune(units[i])); r == utf8.RuneError {
				return nil, fmt.Errorf("the text is UTF-16 by its byte order mark, and unit %d is half a character", i)
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return text, nil
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// lines finds places by offsets.
type lines struct {
	file   string
	text   []byte
	starts []int // offsets at which lines begin
}

func newLines(file string, text []byte) *lines {
	l := &lines{file: file, text: text, starts: []int{0}}
	for i, c := range text {
		if c == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// at returns the place of an offset; one beyond the text is its end.
func (l *lines) at(offset int) Place {
	offset = max(0, min(offset, len(l.text)))
	line, found := slices.BinarySearch(l.starts, offset)
	if !found {
		line--
	}
	return Place{l.file, line + 1, utf8.RuneCount(l.text[l.starts[line]:offset]) + 1}
}
