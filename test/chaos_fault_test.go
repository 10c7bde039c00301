//go:build linux

package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei/schemas"
)

// fault is a temporary failure of some of the processes.
type fault struct {
	what  string
	units []*unit // no other fault affects them at the same time
	// do causes the failure and ends it, early if ctx is done.
	do func(ctx context.Context)
}

// faultKind makes faults of one kind. cluster is its weight with a NATS
// cluster.
type faultKind struct {
	kind            string
	weight, cluster int
	pick            func(w *arena, r *rand.Rand) fault
}

var faultKinds = []faultKind{
	{"kill", 10, 6, func(w *arena, r *rand.Rand) fault {
		u, away := w.any(r), span(r, 100*time.Millisecond, 4*time.Second)
		return fault{fmt.Sprintf("kill -9 %s, back in %s", u.name, away), []*unit{u}, func(ctx context.Context) { u.kill(away); u.awaitBack(ctx, away) }}
	}},
	{"kill both", 3, 2, func(w *arena, r *rand.Rand) fault {
		both := w.of([]string{"scheduler", "orchestrator", "worker-manager", "artifacts", "edge"}[r.IntN(5)])
		away := span(r, time.Second, 8*time.Second)
		return fault{fmt.Sprintf("kill -9 every %s, back in %s", both[0].role, away), both, func(ctx context.Context) {
			for _, u := range both {
				u.kill(away)
			}
			both[1].awaitBack(ctx, away)
		}}
	}},
	{"term", 5, 3, func(w *arena, r *rand.Rand) fault {
		u, patience := w.any(r), span(r, time.Second, 15*time.Second)
		return fault{fmt.Sprintf("TERM %s, again after %s", u.name, patience), []*unit{u}, func(ctx context.Context) { u.terminate(ctx, patience) }}
	}},
	{"pause", 8, 4, func(w *arena, r *rand.Rand) fault { return pauseFor(w.any(r), span(r, time.Second, 12*time.Second)) }},
	{"pause a worker until it is lost", 8, 4, func(w *arena, r *rand.Rand) fault {
		return pauseFor(w.missed(r), lostAfter+span(r, 6*time.Second, 15*time.Second))
	}},
	{"cut off a worker until it is lost", 8, 4, func(w *arena, r *rand.Rand) fault {
		u, d := w.missed(r), lostAfter+span(r, 6*time.Second, 15*time.Second)
		return fault{fmt.Sprintf("cut %s off NATS for %s", u.name, d), []*unit{u}, func(ctx context.Context) { w.cut(ctx, u.nats, d) }}
	}},
	{"pause a worker manager for long", 3, 2, func(w *arena, r *rand.Rand) fault {
		return pauseFor(w.one(r, "worker-manager"), span(r, 10*time.Second, 20*time.Second))
	}},
	{"kill a reaper", 1, 1, func(w *arena, r *rand.Rand) fault {
		u := w.one(r, "worker")
		return fault{"kill -9 the reaper of " + u.name, []*unit{u}, func(context.Context) { u.killReaper() }}
	}},
	{"cut off", 7, 4, func(w *arena, r *rand.Rand) fault {
		u, d := w.any(r), span(r, time.Second, 20*time.Second)
		return fault{fmt.Sprintf("cut %s off NATS for %s", u.name, d), []*unit{u}, func(ctx context.Context) { w.cut(ctx, u.nats, d) }}
	}},
	{"lose what is sent", 4, 3, func(w *arena, r *rand.Rand) fault {
		u, d := w.any(r), span(r, time.Second, 20*time.Second)
		return disturbed(u, u.nats, d, fmt.Sprintf("lose what %s and NATS send each other for %s", u.name, d), trouble{drop: true}, trouble{drop: true})
	}},
	{"hold back", 6, 3, func(w *arena, r *rand.Rand) fault {
		u, hold := w.any(r), span(r, 500*time.Millisecond, 15*time.Second)
		return heldBack(r, u, u.nats, "NATS", hold, hold+span(r, 2*time.Second, 10*time.Second))
	}},
	// The worker keeps reporting but does not hold its offers, which are placed
	// elsewhere before they arrive.
	{"offer late", 5, 3, func(w *arena, r *rand.Rand) fault {
		u, hold := w.one(r, "worker"), span(r, 10*time.Second, 18*time.Second)
		d := hold + span(r, 4*time.Second, 10*time.Second)
		return disturbed(u, u.nats, d, fmt.Sprintf("hold back by %s what goes from NATS to %s for %s", hold, u.name, d), trouble{}, trouble{hold: hold})
	}},
	{"slow", 3, 2, func(w *arena, r *rand.Rand) fault {
		u, d, rate := w.any(r), span(r, 3*time.Second, 15*time.Second), 2000+r.IntN(60000)
		t := trouble{rate: rate, hold: 50 * time.Millisecond}
		return disturbed(u, u.nats, d, fmt.Sprintf("%d bytes a second for %s for %s", rate, u.name, d), t, t)
	}},
	{"cut off Postgres", 5, 2, func(w *arena, r *rand.Rand) fault {
		u, d := w.service(r), span(r, time.Second, 15*time.Second)
		return fault{fmt.Sprintf("cut %s off Postgres for %s", u.name, d), []*unit{u}, func(ctx context.Context) { w.cut(ctx, []*link{u.pg}, d) }}
	}},
	{"hold back Postgres", 4, 2, func(w *arena, r *rand.Rand) fault {
		u, hold := w.service(r), span(r, 100*time.Millisecond, 4*time.Second)
		return heldBack(r, u, []*link{u.pg}, "Postgres", hold, hold+span(r, 2*time.Second, 10*time.Second))
	}},
	{"lose the answers of Postgres", 2, 1, func(w *arena, r *rand.Rand) fault {
		u, d := w.service(r), span(r, time.Second, 10*time.Second)
		return disturbed(u, []*link{u.pg}, d, fmt.Sprintf("lose what %s and Postgres send each other for %s", u.name, d), trouble{drop: true}, trouble{drop: true})
	}},
	{"kill NATS", 3, 0, func(w *arena, r *rand.Rand) fault {
		u, away := w.servers[r.IntN(len(w.servers))], span(r, 100*time.Millisecond, 2*time.Second)
		if r.IntN(3) == 0 {
			away = span(r, 2*time.Second, 20*time.Second)
		}
		return fault{fmt.Sprintf("kill -9 %s, back in %s", u.name, away), w.servers, func(ctx context.Context) { u.kill(away); u.awaitBack(ctx, away) }}
	}},
	{"pause NATS", 1, 0, func(w *arena, r *rand.Rand) fault {
		return pauseFor(w.servers[0], span(r, 500*time.Millisecond, 8*time.Second))
	}},
	{"kill Postgres", 3, 2, func(w *arena, r *rand.Rand) fault {
		away := span(r, 100*time.Millisecond, 2*time.Second)
		if r.IntN(3) == 0 {
			away = span(r, 2*time.Second, 20*time.Second)
		}
		return fault{fmt.Sprintf("kill -9 Postgres, back in %s", away), []*unit{w.pg}, func(ctx context.Context) { w.pg.kill(away); w.pg.awaitBack(ctx, away) }}
	}},
	{"delete a stream", 3, 2, func(w *arena, r *rand.Rand) fault {
		name := schemas.Streams[r.IntN(len(schemas.Streams))]
		return fault{"delete " + name, nil, func(ctx context.Context) { w.deleteStream(ctx, name) }}
	}},
	{"fill NATS", 4, 0, func(w *arena, r *rand.Rand) fault {
		d := span(r, 2*time.Second, 25*time.Second)
		return fault{fmt.Sprintf("fill the storage of NATS for %s", d), w.servers, func(ctx context.Context) { w.fill(ctx, d) }}
	}},
	{"fill disks", 5, 3, fullDisks},
	{"kill a worker and its reaper", 3, 2, func(w *arena, r *rand.Rand) fault {
		u, away := w.missed(r), span(r, 100*time.Millisecond, 4*time.Second)
		return fault{fmt.Sprintf("kill -9 %s and its reaper, back in %s", u.name, away), []*unit{u}, func(ctx context.Context) {
			u.signal(syscall.SIGSTOP) // otherwise it would start another
			u.killReaper()
			u.kill(away)
			u.awaitBack(ctx, away)
		}}
	}},
	{"several at once", 8, 5, func(w *arena, r *rand.Rand) fault { return w.several(r) }},
	{"command a worker", 5, 3, func(w *arena, r *rand.Rand) fault {
		what := []string{"drain", "drain", "drain", "resume", "terminate"}[r.IntN(5)]
		u, back := w.one(r, "worker"), span(r, 500*time.Millisecond, 6*time.Second)
		return fault{fmt.Sprintf("%s %s, resume after %s", what, u.name, back), nil, func(ctx context.Context) { w.commandWorker(ctx, u, what, back) }}
	}},
	{"hostile messages", 6, 4, func(w *arena, r *rand.Rand) fault {
		d, seed := span(r, 2*time.Second, 15*time.Second), r.Uint64()
		return fault{fmt.Sprintf("hostile messages for %s", d), nil, func(ctx context.Context) { w.abuse(ctx, d, seed) }}
	}},
	{"assign by name", 3, 2, func(w *arena, r *rand.Rand) fault {
		u := w.one(r, "worker")
		return fault{"assign what waits to " + u.name, nil, func(ctx context.Context) { w.assignTo(u) }}
	}},
}

// span returns a random duration; shorter ones are more likely.
func span(r *rand.Rand, least, most time.Duration) time.Duration {
	f := r.Float64()
	return (least + time.Duration(f*f*float64(most-least))).Round(time.Millisecond)
}

func (w *arena) of(role string) (units []*unit) {
	for _, u := range w.units {
		if u.role == role {
			units = append(units, u)
		}
	}
	return units
}

func (w *arena) one(r *rand.Rand, role string) *unit {
	units := w.of(role)
	return units[r.IntN(len(units))]
}

// missed returns a worker whose work will have to be done elsewhere: if
// possible one with an execution that would be retried, preferably the
// youngest.
func (w *arena) missed(r *rand.Rand) *unit {
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	var id string
	err := w.db.QueryRow(ctx, `SELECT 'worker_' || worker_id FROM executions
		WHERE status = 'RUNNING' AND (spec->'retries'->>'max')::int >= attempt AND cancel_requested_at IS NULL
		ORDER BY coalesce(spec->'environment'->>'CHAIN' LIKE 'w-long-%', false) DESC, started_at DESC LIMIT 1`).Scan(&id)
	var wrong *pgconn.PgError
	if errors.As(err, &wrong) && strings.HasPrefix(wrong.Code, "42") { // the statement itself, not a fault
		w.flaw("", "the harness does not find the worker that is missed: %v", err)
	}
	for _, u := range w.of("worker") {
		if err == nil && w.workerID(u) == id {
			return u
		}
	}
	return w.one(r, "worker")
}

// any returns any hodei process.
func (w *arena) any(r *rand.Rand) *unit {
	return w.one(r, []string{"worker", "worker", "worker", "worker-manager", "worker-manager", "scheduler", "orchestrator", "artifacts", "edge"}[r.IntN(9)])
}

// service returns a process that needs Postgres.
func (w *arena) service(r *rand.Rand) *unit {
	return w.one(r, []string{"worker-manager", "worker-manager", "scheduler", "orchestrator", "artifacts"}[r.IntN(5)])
}

func pauseFor(u *unit, d time.Duration) fault {
	return fault{fmt.Sprintf("stop %s for %s", u.name, d), []*unit{u}, func(ctx context.Context) {
		u.signal(syscall.SIGSTOP)
		pause(ctx, d)
		u.signal(syscall.SIGCONT)
	}}
}

func (w *arena) cut(ctx context.Context, links []*link, d time.Duration) {
	for _, l := range links {
		l.cut()
	}
	pause(ctx, d)
	for _, l := range links {
		if err := l.mend(); err != nil {
			w.flaw("", "the harness cannot mend a link: %v", err)
		}
	}
}

func heldBack(r *rand.Rand, u *unit, links []*link, server string, hold, d time.Duration) fault {
	to, from := trouble{hold: hold}, trouble{hold: hold}
	way := "between"
	switch r.IntN(3) {
	case 0:
		to, way = trouble{}, "to"
	case 1:
		from, way = trouble{}, "from"
	}
	return disturbed(u, links, d, fmt.Sprintf("hold back by %s what goes %s %s and %s for %s", hold, way, u.name, server, d), to, from)
}

func disturbed(u *unit, links []*link, d time.Duration, what string, upwards, downwards trouble) fault {
	return fault{what, []*unit{u}, func(ctx context.Context) {
		for _, l := range links {
			l.disturb(upwards, downwards)
		}
		pause(ctx, d)
		for _, l := range links {
			l.disturb(trouble{}, trouble{})
		}
	}}
}

// awaitBack waits until a killed unit has restarted, and a moment longer.
func (u *unit) awaitBack(ctx context.Context, away time.Duration) {
	pause(ctx, away+500*time.Millisecond)
}

// terminate sends SIGTERM, and a second one to a worker that continues.
func (u *unit) terminate(ctx context.Context, patience time.Duration) {
	before := u.started()
	u.signal(syscall.SIGTERM)
	again, hopeless := time.After(patience), time.After(90*time.Second)
	for u.started() == before {
		select {
		case <-again:
			u.signal(syscall.SIGTERM)
		case <-hopeless:
			u.w.flaw("", "%s has not ended 90 s after SIGTERM", u.name)
			u.kill(0)
			return
		case <-time.After(50 * time.Millisecond): // also when ctx is done: the signal was sent
		}
	}
}

// killReaper kills the reaper of a worker.
func (u *unit) killReaper() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.proc == nil {
		return
	}
	for _, pid := range childrenOf(u.proc.Pid) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty if the process has ended
		if strings.HasSuffix(strings.TrimSuffix(string(line), "\x00"), "\x00reaper") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// several combines failures of one process: its messages to and from NATS, and
// Postgres if it uses it, are delayed or lost; it is stopped for a while; and
// finally it is killed, before or after the connections recover.
func (w *arena) several(r *rand.Rand) fault {
	u, d := w.any(r), span(r, 2*time.Second, 15*time.Second)
	links := u.nats
	if u.pg != nil {
		links = append(slices.Clone(u.nats), u.pg)
	}
	bad := trouble{hold: span(r, 200*time.Millisecond, 6*time.Second), drop: r.IntN(3) == 0}
	stops, whole, away := r.IntN(2) == 0, r.IntN(2) == 0, span(r, 100*time.Millisecond, 4*time.Second)
	what := fmt.Sprintf("delay by %s (lose %t) the messages of %s for %s, stop it %t, kill it after that %t", bad.hold, bad.drop, u.name, d, stops, whole)
	return fault{what, []*unit{u}, func(ctx context.Context) {
		for _, l := range links {
			l.disturb(bad, bad)
		}
		pause(ctx, d/3)
		if stops {
			u.signal(syscall.SIGSTOP)
		}
		pause(ctx, d/3)
		if stops {
			u.signal(syscall.SIGCONT)
		}
		pause(ctx, d/3)
		if !whole {
			u.kill(away)
		}
		for _, l := range links {
			l.disturb(trouble{}, trouble{})
		}
		if whole {
			u.kill(away)
		}
		u.awaitBack(ctx, away)
	}}
}

// fill makes another stream use all the storage of NATS for a while.
func (w *arena) fill(ctx context.Context, d time.Duration) {
	nc := w.connect()
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.flaw("", "the harness cannot fill NATS: %v", err)
		return
	}
	const name = "FILLER"
	filling, cancel := context.WithTimeout(ctx, 20*time.Second)
	_, err = js.CreateOrUpdateStream(filling, jetstream.StreamConfig{Name: name, Subjects: []string{"chaos.filler"}})
	stuff, stored := make([]byte, 1<<20), 0
	for ; err == nil && stored <= natsRoom>>20; stored++ {
		_, err = js.Publish(filling, "chaos.filler", stuff)
	}
	cancel()
	w.note("    %d MiB are full: %v", stored, err) // refused, or NATS is down
	pause(ctx, d)
	for w.ctx.Err() == nil {
		removing, cancel := context.WithTimeout(w.ctx, 3*time.Second)
		err := js.DeleteStream(removing, name)
		cancel()
		if err == nil || errors.Is(err, jetstream.ErrStreamNotFound) {
			return
		}
		pause(w.ctx, time.Second)
	}
}

func (w *arena) deleteStream(ctx context.Context, name string) {
	nc := w.connect()
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		err = js.DeleteStream(ctx, name)
	}
	if err != nil {
		w.note("%s not deleted: %v", name, err)
	}
}

// workerID returns the id of the unit's worker, "" if it has none.
func (w *arena) workerID(u *unit) string {
	text, _ := os.ReadFile(u.home + "/state/worker-id") // empty before it has one
	return strings.TrimSpace(string(text))
}

func (w *arena) commandWorker(ctx context.Context, u *unit, what string, back time.Duration) {
	id := w.workerID(u)
	_, _, _ = w.try("POST", w.edges[0]+"/workers/"+id+"/"+what, "", nil) // it may fail, as any request may during a fault
	pause(ctx, back)
	_, _, _ = w.try("POST", w.edges[1]+"/workers/"+id+"/resume", "", nil)
}

// assignTo assigns waiting executions to one worker, which may refuse them.
func (w *arena) assignTo(u *unit) {
	_, queue, err := w.try("GET", w.edges[0]+"/queue?limit=5", "", nil)
	if err != nil {
		return
	}
	items, _ := queue["items"].([]any)
	for _, item := range items {
		body := fmt.Sprintf(`{"execution_id":%q,"worker_id":%q}`, item.(object)["execution_id"], w.workerID(u))
		_, _, _ = w.try("POST", w.edges[1]+"/assign-job", body, nil) // often refused
	}
}

// breakThings causes one fault after the other, some at the same time, until
// ctx is done and everything has recovered. It returns the number of each kind.
func (w *arena) breakThings(ctx context.Context, r *rand.Rand, atOnce int) map[string]int {
	counts := map[string]int{}
	var under sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for ctx.Err() == nil {
		kind := w.chooseKind(r)
		f := kind.pick(w, r)
		gap := span(r, 100*time.Millisecond, 2500*time.Millisecond)
		if !tryLock(f.units) {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			unlock(f.units)
			continue
		}
		counts[kind.kind]++
		w.note("%s", f.what)
		under.Go(func() {
			f.do(ctx)
			w.note("    over: %s", f.what)
			unlock(f.units)
			<-room
		})
		pause(ctx, gap)
	}
	under.Wait()
	return counts
}

// killServers kills or stops one server of a NATS cluster after the other until
// ctx is done. Each recovers before the next one, so there is always a
// majority. It returns how often.
func (w *arena) killServers(ctx context.Context, r *rand.Rand) (kills int) {
	for n := 0; len(w.servers) > 1 && ctx.Err() == nil; n++ {
		u, away := w.servers[n%len(w.servers)], span(r, 100*time.Millisecond, 10*time.Second)
		if r.IntN(5) == 0 {
			f := pauseFor(u, away)
			w.note("%s", f.what)
			f.do(ctx)
		} else {
			w.note("kill -9 %s, back in %s", u.name, away)
			u.kill(away)
			u.awaitBack(ctx, away)
			kills++
		}
		pause(ctx, 2*time.Second+span(r, 0, 4*time.Second))
	}
	return kills
}

func (w *arena) chooseKind(r *rand.Rand) faultKind {
	weight := func(k faultKind) int {
		if len(w.servers) > 1 {
			return k.cluster
		}
		return k.weight
	}
	total := 0
	for _, k := range faultKinds {
		total += weight(k)
	}
	at := r.IntN(total)
	for _, k := range faultKinds {
		if at -= weight(k); at < 0 {
			return k
		}
	}
	return faultKinds[0]
}

func tryLock(units []*unit) bool {
	for i, u := range units {
		if !u.fault.TryLock() {
			unlock(units[:i])
			return false
		}
	}
	return true
}

func unlock(units []*unit) {
	for _, u := range units {
		u.fault.Unlock()
	}
}
