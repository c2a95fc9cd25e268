// Command boundgate-broker registers a device with a Boundgate server, signs users in on it, and gets tokens that only this
// device can ask for.
package main

import (
	"context"
	"os"
	"os/signal"

	"boundgate/internal/brokercli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(brokercli.Run(ctx, os.Args[1:], brokercli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.LookupEnv))
}
