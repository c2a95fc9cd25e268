package cli

import (
	"io"
	"os"
)

// readInput reads a document of at most limit bytes from the file that -f names; "-" is standard input. what is the word
// for the document in errors.
func (a *app) readInput(name, what string, limit int64) ([]byte, error) {
	in := a.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, failure("name a file with -f, or - for standard input", "cannot read the %s: %v", what, err)
		}
		defer closeQuietly(f)
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, failure("", "cannot read the %s: %v", what, err)
	}
	if int64(len(data)) > limit {
		return nil, failure("", "the %s is larger than %d KiB", what, limit>>10)
	}
	return data, nil
}

// closeQuietly closes what was only read: nothing can be lost by it.
func closeQuietly(c io.Closer) { _ = c.Close() }
