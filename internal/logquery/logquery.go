// Package logquery runs KQL over the log store: it compiles the text against a workspace's tables, runs the result within
// limits, and gives the answer in KQL's types.
package logquery

import (
	"context"
	"fmt"
	"time"

	"boundgate/internal/kql"
	"boundgate/internal/kql/catalog"
	"boundgate/internal/kql/schema"
	"boundgate/internal/logstore"
)

// Logs is the store that queries run on.
type Logs interface {
	SchemaFor(ctx context.Context, workspace string) (schema.Schema, error)
	Query(ctx context.Context, q logstore.Query) (logstore.Answer, error)
}

// An Engine runs queries.
type Engine struct {
	Logs Logs
	Now  func() time.Time
}

// A Request is one query of a workspace.
type Request struct {
	Workspace string
	Text      string
	From, To  time.Time // the caller's time range; zero is open
	Timeout   time.Duration
}

// A Result is the answer to a query.
type Result struct {
	Columns  []kql.Column
	Rows     [][]any // as the log store gives them
	Render   *kql.Render
	Warnings []string
	Cut      string // why rows are missing; "" where none are
	Took     time.Duration
}

// Run compiles and runs a query. A query that does not compile is a kql.Errors.
func (e *Engine) Run(ctx context.Context, r Request) (Result, error) {
	began := e.Now()
	tables, err := e.Logs.SchemaFor(ctx, r.Workspace)
	if err != nil {
		return Result{}, fmt.Errorf("tables of the workspace: %w", err)
	}
	for _, t := range catalog.Tables() { // known to the language, without rows: queries that name them bind
		if _, there := tables.Table(t.Name); !there {
			tables.Tables = append(tables.Tables, t)
		}
	}
	program, err := kql.Compile(r.Text, kql.Options{
		Schema: tables, Now: began.UTC(), From: r.From.UTC(), To: r.To.UTC(), MaxRows: logstore.MaxRows + 1,
	})
	if err != nil {
		return Result{}, err
	}
	answer, err := e.Logs.Query(ctx, logstore.Query{SQL: program.SQL, Args: program.Args, Timeout: r.Timeout})
	if err != nil {
		return Result{}, err
	}
	return Result{
		Columns: program.Columns, Rows: answer.Rows, Render: program.Render, Warnings: program.Warnings, Cut: answer.Cut,
		Took: e.Now().Sub(began),
	}, nil
}
