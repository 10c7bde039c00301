package main

import (
	"context"
	"fmt"
	"time"
)

// peer is another system that does the same work.
type peer struct {
	name string
	// throughput runs the program n times with the same slots and submitters,
	// and returns the time from the first submission until all are recorded.
	throughput func(ctx context.Context, b *bench, n int) (time.Duration, error)
}

var allPeers = []peer{}

// work is the worker of a peer, which is a process of its own as Hodei is.
func work(name string, args []string) error {
	switch name {
	}
	return fmt.Errorf("no peer %q", name)
}
