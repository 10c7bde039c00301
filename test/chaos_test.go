//go:build linux

package test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/schemas"
)

var (
	chaosFor  = flag.Duration("chaos.for", 25*time.Second, "how long things are broken")
	chaosKeep = flag.Bool("chaos.keep", false, "keep output and data of a successful run")
	chaosSeed = flag.Uint64("chaos.seed", 1, "what is broken when; 0 takes one by chance")
)

// TestChaos keeps submitting work while it kills, restarts, disconnects, slows
// down and stops every part, including NATS and Postgres. Then it lets
// everything recover and judges the history.
func TestChaos(t *testing.T) { chaos(t, 1, hardened(t)) }

// TestChaosCluster is TestChaos on a NATS cluster of three, whose servers are
// killed and restarted one after the other.
// It runs without the race detector, which takes most of the processor.
func TestChaosCluster(t *testing.T) { chaos(t, 3, binary) }

func chaos(t *testing.T, servers int, program string) {
	t.Parallel() // it waits most of the time
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: again with -chaos.seed %d -chaos.for %s", seed, seed, *chaosFor)
	random := func(part uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, part)) }
	w := newArena(t, servers, program)
	_, err := w.db.Exec(w.ctx, chronicle+runChronicle)
	require.NoError(t, err)
	jobs, l, all, received := w.makeJobs(), newLedger(), &audience{}, w.listen()
	graphs, runs, own := w.makeGraphs(random(4)), newRunLedger(), w.makeTriggers()

	breaking, whole := context.WithTimeout(w.ctx, *chaosFor)
	defer whole()
	var users sync.WaitGroup
	users.Go(func() { w.watchBacklog(breaking, l) })
	users.Go(func() { w.progress(breaking, l) })
	for i := range 12 {
		users.Go(func() {
			any := func(r *rand.Rand, key string) work { return w.newWork(r, key, jobs) }
			w.submit(breaking, l, random(uint64(100+i)), fmt.Sprint(i), any, 600*time.Millisecond, mostWaiting)
		})
	}
	for i := range 2 {
		users.Go(func() { // not to the end, which would take long
			early, enough := context.WithTimeout(breaking, *chaosFor-min(*chaosFor/2, 20*time.Second))
			defer enough()
			any := func(r *rand.Rand, key string) work { return w.longWork(r, key, jobs) }
			w.submit(early, l, random(uint64(300+i)), fmt.Sprintf("long-%d", i), any, 5*time.Second, 2*mostWaiting)
		})
	}
	for i := range 6 {
		users.Go(func() { w.runGraphs(breaking, l, runs, random(uint64(400+i)), fmt.Sprint(i), graphs) })
	}
	for i := range 8 {
		users.Go(func() { w.follow(breaking, l, random(uint64(200+i)), all) })
	}
	for i := range 2 {
		users.Go(func() { own.deliver(breaking, random(uint64(500+i)), fmt.Sprint(i)) })
	}
	kills := make(chan int)
	go func() { kills <- w.killServers(breaking, random(2)) }()
	inTurn := make(chan [2]int)
	go func() {
		kills, stops := w.breakSchedulers(breaking, random(3))
		inTurn <- [2]int{kills, stops}
	}()
	faults := w.breakThings(breaking, random(1), 4)
	turns := <-inTurn
	faults["kill the schedulers in turn"], faults["stop the schedulers in turn"] = turns[0], turns[1]
	if n := <-kills; n > 0 {
		faults["kill a server of NATS"] = n
	}
	w.note("everything is whole again")
	answered := make(chan struct{})
	go func() { users.Wait(); l.cancels.Wait(); close(answered) }()
	for waited := 1; waited <= 4; waited++ {
		select {
		case <-answered:
			waited = 4
		case <-time.After(30 * time.Second):
			w.describeLocks()
			if waited == 4 {
				w.flaw("", "users are still waiting for answers or ends")
			}
		}
	}
	w.note("all users are answered")
	own.rest()
	w.awaitEnd(90 * time.Second)
	w.note("everything has ended")
	w.judgeRest()
	w.note("everything is idle")
	w.judgeStreams(servers)
	w.reread(received)
	r := w.readRecord(received)
	checks := w.judge(l, r, all, runs, own, w.readTales(received))
	w.note("everything is judged")
	w.stop()
	w.judgeSecret()
	w.note("everything is stopped")
	w.report(r)
	w.summary(l, r, all, faults, checks)
	runs.summary(t)
}

// judgeStreams: the streams and the bucket exist with all replicas.
func (w *arena) judgeStreams(replicas int) {
	js, err := jetstream.New(w.connect())
	require.NoError(w.t, err)
	for _, name := range schemas.Streams {
		var stream jetstream.Stream
		var err error
		for range 30 {
			ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
			stream, err = js.Stream(ctx, name)
			cancel()
			if err == nil {
				break
			}
			pause(w.ctx, time.Second)
		}
		switch {
		case err != nil:
			w.flaw("", "%s is not there: %v", name, err)
		case stream.CachedInfo().Config.Replicas != replicas:
			w.flaw("", "%s has %d replicas, not %d", name, stream.CachedInfo().Config.Replicas, replicas)
		}
	}
}

// progress logs the progress every ten seconds.
func (w *arena) progress(ctx context.Context, l *ledger) {
	for pause(ctx, 10*time.Second); ctx.Err() == nil; pause(ctx, 10*time.Second) {
		w.mu.Lock()
		flaws, done := len(w.flaws), len(w.events)
		w.mu.Unlock()
		w.t.Logf("%4.0f s: %d accepted, %d waiting, %d things done to it, %d flaws", time.Since(w.began).Seconds(), l.size(), l.backlog.Load(), done/2, flaws)
	}
}

// summary logs the results.
func (w *arena) summary(l *ledger, r *record, all *audience, faults, checks map[string]int) {
	outcomes, kinds := map[string]int{}, map[string]int{}
	lines, repeated, retried := int64(0), 0, 0
	for _, e := range r.executions {
		outcomes[strings.TrimSpace(e.status+" "+e.reason)]++
		lines += e.logCount
		if e.retryOf != "" {
			retried++
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.byID {
		kinds[a.kind]++
		repeated += a.tries - 1
	}
	reconnects := 0
	for _, f := range all.seen {
		reconnects += f.reconnects
	}
	w.mu.Lock()
	for _, h := range w.events {
		if strings.HasPrefix(h.what, "everything") || strings.HasPrefix(h.what, "all users") {
			w.t.Logf("%4.0f s: %s", h.at.Seconds(), h.what)
		}
	}
	w.mu.Unlock()
	w.t.Logf("faults: %s", counts(faults))
	w.t.Logf("work: %s", counts(kinds))
	w.t.Logf("executions: %s", counts(outcomes))
	w.t.Logf("%d accepted, asked %d times more than that; %d retried by policy; %d lines logged; %d logs followed, reconnecting %d times",
		len(l.byID), repeated, retried, lines, len(all.seen), reconnects)
	w.t.Logf("checks: %s", counts(checks))
	for i, reply := range l.internal {
		if i == 3 {
			break
		}
		w.t.Logf("answered 500, %d in all: %s", len(l.internal), reply)
	}
}

func counts(m map[string]int) string {
	var parts []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
		total += m[name]
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}
