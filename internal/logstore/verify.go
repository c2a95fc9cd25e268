package logstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"boundgate/internal/signinlog"
)

// A Verification is what Verify found.
type Verification struct {
	// Heads are the ends of the writers' chains as far as they are unbroken: hold them against a signed checkpoint, which
	// alone shows that no rows are missing behind them.
	Heads []signinlog.Head
	Rows  int // that were checked
	// Problems say where chains are broken, one for each writer at the most; every one is a signinlog.ErrChain.
	Problems []error
}

// Verify reads every row back and follows the chains of all writers, from where retention has cut them (P12). A cell that
// was altered, a row that was cut out or one that was put in is a problem of the Verification; an error means that the
// store could not be read.
func (l *DB) Verify(ctx context.Context) (Verification, error) {
	var v Verification
	tables, err := l.chainTables(ctx)
	if err != nil {
		return v, err
	}
	writers, err := l.chains(ctx, tables)
	if err != nil {
		return v, err
	}
	for _, w := range writers {
		head, rows, err := l.follow(ctx, tables, w)
		v.Rows += rows
		switch {
		case errors.Is(err, signinlog.ErrChain):
			v.Problems = append(v.Problems, err)
		case err != nil:
			return v, err
		}
		v.Heads = append(v.Heads, head)
	}
	return v, nil
}

// A chainTable is a table with links of chains: rows, or records that cannot be read as such.
type chainTable struct {
	name string
	rows string // signinlog's name of the table; "" for unreadable records
}

func (l *DB) chainTables(ctx context.Context) ([]chainTable, error) {
	list := []chainTable{{name: unreadable}}
	for table, prefix := range prefixes {
		names, err := l.rowTables(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			list = append(list, chainTable{name, table})
		}
	}
	return list, nil
}

// A chain is the part of a writer's chain that is in the store.
type chain struct {
	start signinlog.Head // what retention has left of the rows before
	last  uint64
}

// chains lists the writers' chains.
func (l *DB) chains(ctx context.Context, tables []chainTable) ([]chain, error) {
	const starts = `SELECT writer, seq, hash FROM chain_starts`
	rows, err := l.db.QueryContext(ctx, starts)
	if err != nil {
		return nil, fmt.Errorf("read where chains start: %w", err)
	}
	heads, err := collect(rows, func(rows *sql.Rows) (h signinlog.Head, err error) {
		var hash []byte
		err = rows.Scan(&h.Writer, &h.Seq, &hash)
		h.Hash = hashOf(hash)
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("read where chains start: %w", err)
	}
	byWriter := map[string]chain{}
	for _, h := range heads {
		byWriter[h.Writer] = chain{start: h, last: h.Seq}
	}
	for _, t := range tables {
		ends, err := l.ends(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, end := range ends {
			c := byWriter[end.Writer]
			c.start.Writer, c.last = end.Writer, max(c.last, end.Seq)
			byWriter[end.Writer] = c
		}
	}
	var list []chain
	for _, c := range byWriter {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b chain) int { return cmp.Compare(a.start.Writer, b.start.Writer) })
	return list, nil
}

// ends returns the last row of each writer in a table, without its hash.
func (l *DB) ends(ctx context.Context, t chainTable) ([]signinlog.Head, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT _writer, max(_seq) FROM `+quote(t.name)+` GROUP BY 1`)
	if err != nil {
		return nil, fmt.Errorf("list the writers: %w", err)
	}
	return collect(rows, func(rows *sql.Rows) (h signinlog.Head, err error) {
		err = rows.Scan(&h.Writer, &h.Seq)
		return h, err
	})
}

// verifyAtOnce is how many rows of a chain are held in memory.
const verifyAtOnce = 10_000

// follow checks a chain and returns how far it is unbroken.
func (l *DB) follow(ctx context.Context, tables []chainTable, c chain) (head signinlog.Head, rows int, err error) {
	head = c.start
	if head.Seq > 0 { // retention leaves nothing behind
		stray, err := l.links(ctx, tables, head.Writer, 0, head.Seq)
		if err != nil || len(stray) > 0 {
			return head, len(stray), errors.Join(err, strayError(head, stray))
		}
	}
	for from := head.Seq + 1; from <= c.last; from += verifyAtOnce {
		list, err := l.links(ctx, tables, head.Writer, from, from+verifyAtOnce-1)
		if err != nil {
			return head, rows, err
		}
		for _, one := range list {
			rows++
			if one.problem != nil {
				return head, rows, one.problem
			}
			if head, err = head.Next(one.seq, one.hash, one.canonical); err != nil {
				return head, rows, err
			}
		}
	}
	return head, rows, nil
}

func strayError(head signinlog.Head, stray []link) error {
	if len(stray) == 0 {
		return nil
	}
	return fmt.Errorf("%w: row %d of %q is there, and retention has removed all up to %d", signinlog.ErrChain, stray[0].seq, head.Writer, head.Seq)
}

// A link is a row's place in a chain and the bytes that its columns stand for.
type link struct {
	seq       uint64
	hash      signinlog.Hash
	canonical []byte
	problem   error // the columns are not what the kept bytes say
}

// links reads a part of a chain from all tables, in order.
func (l *DB) links(ctx context.Context, tables []chainTable, writer string, from, to uint64) ([]link, error) {
	var all []link
	for _, t := range tables {
		list, err := l.linksOf(ctx, t, writer, from, to)
		if err != nil {
			return nil, fmt.Errorf("read the chain of %q: %w", writer, err)
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b link) int { return cmp.Compare(a.seq, b.seq) })
	return all, nil
}

func (l *DB) linksOf(ctx context.Context, t chainTable, writer string, from, to uint64) ([]link, error) {
	r, columns := rowReader(t.rows), ""
	if t.rows != "" {
		columns = r.list() + ", "
	}
	rows, err := l.db.QueryContext(ctx, `SELECT `+columns+`_seq, _hash, _canonical FROM `+quote(t.name)+
		` WHERE _writer = $1 AND _seq BETWEEN $2 AND $3`, writer, from, to)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(rows *sql.Rows) (one link, err error) {
		var hash []byte
		if t.rows == "" {
			err = rows.Scan(&one.seq, &hash, &one.canonical)
			one.hash = hashOf(hash)
			return one, err
		}
		row, err := r.scan(rows, &one.seq, &hash, &one.canonical)
		if err != nil {
			return one, err
		}
		one.hash = hashOf(hash)
		return one, one.compare(row, writer)
	})
}

// compare finds the bytes that a row's columns stand for. Where bytes are kept beside the columns, both must say the same.
func (one *link) compare(row signinlog.Row, writer string) error {
	fromColumns, err := row.Canonical()
	if err != nil {
		return err
	}
	if one.canonical == nil {
		one.canonical = fromColumns
		return nil
	}
	kept, err := signinlog.Record{Canonical: one.canonical}.Row()
	if err == nil && *stored(*kept) == row {
		return nil
	}
	one.problem = errors.Join(fmt.Errorf("%w: the columns of row %d of %q are not what was written", signinlog.ErrChain, one.seq, writer), err)
	return nil
}
