// Command boundgate is the service and its administration: serve, run and demo start a server; every other command speaks
// HTTPS to a running one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"boundgate/internal/cli"
)

// version is set by the build.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ()))
}

// run executes one command and returns the exit code.
func run(ctx context.Context, args []string, streams cli.Streams, environ []string) int {
	p := &program{Streams: streams, environ: environ}
	root := cli.New(version, streams)
	root.AddCommand(p.serveCommand(), p.setupCommand(), p.restoredCommand(), p.runCommand(), p.demoCommand())
	return cli.Run(ctx, root, args)
}

// program is what the commands that start a server share.
type program struct {
	cli.Streams
	environ []string
}
