package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"boundgate/internal/signinlog"
)

// ErrPoisoned means that a commit has failed, or that the disk or the database file was at fault in a write: what is on disk
// is no longer known, and the node refuses every write until it is restarted (P19).
var ErrPoisoned = errors.New("store: a commit has failed; restart the node")

// ErrBusy means that too many writes wait already.
var ErrBusy = errors.New("store: too many writes are waiting")

// errClosed means that the store is being closed.
var errClosed = errors.New("store: closed")

const (
	maxWaiting = 4096
	maxBatch   = 256
)

// A committer runs writes one after the other on one connection, and commits those that wait together as one transaction:
// one fsync serves them all. Each succeeds or fails singly.
type committer struct {
	db       *sql.DB
	on       *prepared
	writer   string // of the chain; it changes with the epoch
	jobs     chan *job
	poisoned atomic.Pointer[error]
	closing  chan struct{}
	closed   sync.WaitGroup
	once     sync.Once
}

// A job is one write. do may run twice: it changes nothing but the transaction. done gets its outcome after that.
type job struct {
	do   func(ctx context.Context, tx *tx) error
	done chan error
}

// tx is a write as it runs.
type tx struct {
	queryer
	chain *chain
}

// chain is where a writer's chain of sign-in rows stands. It is read at the beginning of every transaction: whoever has
// opened the same database beside this process, there is one chain and no fork.
type chain struct {
	writer string
	seq    uint64
	hash   signinlog.Hash
}

func newCommitter(ctx context.Context, db *sql.DB, writer string) (*committer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connection that writes: %w", err)
	}
	c := &committer{
		db: db, on: &prepared{conn: conn, statements: map[string]*sql.Stmt{}}, writer: writer,
		jobs: make(chan *job, maxWaiting), closing: make(chan struct{}),
	}
	c.closed.Add(1)
	go c.run()
	return c, nil
}

// write runs do in a transaction and returns when it is durable, or has failed and left nothing. Once a write is accepted
// its outcome is awaited even where ctx ends: the caller must learn the truth.
func (c *committer) write(ctx context.Context, do func(ctx context.Context, tx *tx) error) error {
	if err := errors.Join(ctx.Err(), c.health()); err != nil {
		return err
	}
	j := &job{do: do, done: make(chan error, 1)}
	select {
	case <-c.closing:
		return errClosed
	case c.jobs <- j:
	default:
		return ErrBusy
	}
	select {
	case err := <-j.done:
		return err
	case <-c.closing:
		c.closed.Wait() // after which nobody runs jobs any more
		select {
		case err := <-j.done:
			return err
		default:
			return errClosed
		}
	}
}

func (c *committer) health() error {
	if cause := c.poisoned.Load(); cause != nil {
		return fmt.Errorf("%w: %w", ErrPoisoned, *cause)
	}
	return nil
}

// stop ends the committer after the writes that it has accepted. The connection stays open.
func (c *committer) stop() {
	c.once.Do(func() { close(c.closing) })
	c.closed.Wait()
}

func (c *committer) close() error {
	c.stop()
	return errors.Join(c.on.close(), c.db.Close())
}

func (c *committer) run() {
	defer c.closed.Done()
	for {
		select {
		case j := <-c.jobs:
			c.batch(c.gather(j))
		case <-c.closing:
			for {
				select {
				case j := <-c.jobs:
					c.batch(c.gather(j))
				default:
					return
				}
			}
		}
	}
}

// gather returns the first job and those that wait behind it.
func (c *committer) gather(first *job) []*job {
	batch := []*job{first}
	for len(batch) < maxBatch {
		select {
		case j := <-c.jobs:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// batch runs jobs in one transaction and tells each its outcome.
func (c *committer) batch(jobs []*job) {
	if err := c.health(); err != nil {
		for _, j := range jobs {
			j.done <- err
		}
		return
	}
	outcomes := make([]error, len(jobs))
	if err := c.transact(jobs, outcomes); err != nil {
		c.poisoned.CompareAndSwap(nil, &err)
		for n := range outcomes {
			outcomes[n] = fmt.Errorf("%w: %w", ErrPoisoned, err)
		}
	}
	for n, j := range jobs {
		j.done <- outcomes[n]
	}
}

// transact runs the jobs in one transaction. Hardly any meets a conflict, so it tries without savepoints first, for they
// are a third of the cost; where one does, it begins anew with a savepoint for each. An error means that what is on disk
// is no longer known.
func (c *committer) transact(jobs []*job, outcomes []error) error {
	ctx := context.Background()
	again, err := c.attempt(ctx, jobs, outcomes, false)
	if again {
		_, err = c.attempt(ctx, jobs, outcomes, true)
	}
	return err
}

// attempt runs the jobs once. again says that a job without a savepoint has failed and taken the others with it: nothing
// has happened.
func (c *committer) attempt(ctx context.Context, jobs []*job, outcomes []error, savepoints bool) (again bool, err error) {
	if err := c.exec(ctx, beginWriting); err != nil {
		if isBroken(err) {
			return false, err
		}
		for n := range outcomes { // nothing has begun, so nothing is in doubt
			outcomes[n] = err
		}
		return false, nil
	}
	head, err := c.head(ctx)
	if err != nil {
		return false, c.abandon(ctx, err)
	}
	at := head
	for n, j := range jobs {
		if savepoints {
			if outcomes[n], err = c.single(ctx, j, &at); err != nil {
				return false, c.abandon(ctx, err)
			}
			continue
		}
		if outcomes[n] = j.do(ctx, &tx{queryer: c.on, chain: &at}); outcomes[n] != nil {
			err := c.exec(ctx, `ROLLBACK`)
			if err != nil || isBroken(outcomes[n]) {
				// Where ROLLBACK fails, the engine has given the transaction up by itself, as it may for a full disk.
				return false, errors.Join(outcomes[n], err)
			}
			return len(jobs) > 1, nil
		}
	}
	return false, c.finish(ctx, head, at)
}

// finish commits a transaction that has brought the chain from one place to another.
func (c *committer) finish(ctx context.Context, from, to chain) error {
	if to != from {
		if err := saveChain(ctx, c.on, to); err != nil {
			return c.abandon(ctx, err)
		}
	}
	if err := c.exec(ctx, `COMMIT`); err != nil {
		return c.abandon(ctx, err)
	}
	c.writer = to.writer
	return nil
}

// single runs one job in a savepoint and returns its outcome. err means that the whole transaction has failed.
func (c *committer) single(ctx context.Context, j *job, at *chain) (outcome, err error) {
	if err := c.exec(ctx, `SAVEPOINT job`); err != nil {
		return nil, err
	}
	before := *at
	if outcome = j.do(ctx, &tx{queryer: c.on, chain: at}); outcome != nil {
		*at = before
		err := c.exec(ctx, `ROLLBACK TO job`)
		if err != nil || isBroken(outcome) {
			return nil, errors.Join(outcome, err) // as above
		}
	}
	return outcome, c.exec(ctx, `RELEASE job`)
}

// head reads where the writer's chain stands.
func (c *committer) head(ctx context.Context) (chain, error) {
	at := chain{writer: c.writer}
	var hash []byte
	err := c.on.QueryRowContext(ctx, `SELECT seq, hash FROM chains WHERE writer = $1`, c.writer).Scan(&at.seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return at, nil
	}
	copy(at.hash[:], hash)
	return at, wrap("head of the chain", err)
}

func saveChain(ctx context.Context, on queryer, at chain) error {
	if at.seq == 0 {
		return nil
	}
	const query = `
		INSERT INTO chains (writer, seq, hash) VALUES ($1, $2, $3)
		ON CONFLICT (writer) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`
	_, err := on.ExecContext(ctx, query, at.writer, at.seq, at.hash[:])
	return wrap("head of the chain", err)
}

func (c *committer) exec(ctx context.Context, query string) error {
	_, err := c.on.ExecContext(ctx, query)
	return wrap(query, err)
}

// abandon rolls back as far as that is possible; the node refuses from now on either way.
func (c *committer) abandon(ctx context.Context, cause error) error {
	_, err := c.on.conn.ExecContext(ctx, `ROLLBACK`)
	return errors.Join(cause, err)
}

// prepared is one connection that prepares each statement once. Only the committer uses it, so it needs no lock.
type prepared struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := p.statements[query]; s != nil {
		return s, nil
	}
	s, err := p.conn.PrepareContext(ctx, query)
	if err == nil {
		p.statements[query] = s
	}
	return s, err
}

// ExecContext executes a statement.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext runs a query.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext runs a query for one row.
func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.statement(ctx, query)
	if err != nil {
		return p.conn.QueryRowContext(ctx, query, args...) // which reports the same error
	}
	return s.QueryRowContext(ctx, args...)
}

func (p *prepared) close() error {
	var errs []error
	for _, s := range p.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, p.conn.Close())...)
}
