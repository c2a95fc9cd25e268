package signinlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// A Hash is a link of the chain over the rows.
type Hash [sha256.Size]byte

// Canonical returns the bytes that stand for the row in the hash chain: its JSON form, members in the order of Row, without
// HTML escaping. The form is fixed: a verifier of any later release computes the same bytes from the same row.
func (r *Row) Canonical() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("canonical form of sign-in row: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// chainLabel separates these hashes from all others, and names the version of the canonical form.
const chainLabel = "boundgate sign-in row 1"

// Link returns the hash of the row with number seq in writer's chain: over the label, the writer, the number, the hash of
// the row before and the row's canonical bytes. The first row of a chain has number 1 and follows the zero hash.
func Link(writer string, seq uint64, previous Hash, canonical []byte) Hash {
	h := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	field([]byte(chainLabel))
	field([]byte(writer))
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], seq)
	field(n[:])
	field(previous[:])
	field(canonical)
	return Hash(h.Sum(nil))
}

// A Record is a row that is durable in the intake of the state store and waits to be moved to the log store.
type Record struct {
	Intake    uint64 // the row's number in the intake, rising over all writers
	Writer    string // whose chain it belongs to
	Seq       uint64 // the row's number in that chain
	Hash      Hash
	Canonical []byte
}

// Row decodes the record's row.
func (r Record) Row() (*Row, error) {
	var row Row
	if err := json.Unmarshal(r.Canonical, &row); err != nil {
		return nil, fmt.Errorf("decode sign-in row %d of intake: %w", r.Intake, err)
	}
	return &row, nil
}

// A Head is how far a writer's chain has been followed. The zero Seq and Hash are the beginning of a chain.
type Head struct {
	Writer string
	Seq    uint64
	Hash   Hash
}

// ErrChain means that a row does not follow the one before it: it was altered, or one was cut out or put in.
var ErrChain = errors.New("signinlog: the chain of rows is broken")

// Next follows the chain by one row: its number must be the next one, and its hash must be the link of its bytes. The
// error is an ErrChain that says which of them is not so.
func (h Head) Next(seq uint64, hash Hash, canonical []byte) (Head, error) {
	if seq != h.Seq+1 {
		return h, fmt.Errorf("%w: row %d of %q is followed by row %d", ErrChain, h.Seq, h.Writer, seq)
	}
	if Link(h.Writer, seq, h.Hash, canonical) != hash {
		return h, fmt.Errorf("%w: row %d of %q is not what was written, or does not follow row %d", ErrChain, seq, h.Writer, h.Seq)
	}
	return Head{h.Writer, seq, hash}, nil
}
