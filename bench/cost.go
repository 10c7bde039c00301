package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// counters are totals of a running Hodei or, after since, the cost of one
// execution.
type counters struct {
	processor       map[string]float64 // µs of each part: a role, a server, the commands, the client
	allocations     map[string]float64 // heap objects of each role
	messages, bytes float64            // received and sent by NATS
	commits, wal    float64            // transactions of Postgres, and bytes of its write-ahead log
	syncs           float64            // of the write-ahead log
}

// The parts that are not roles.
const (
	clientPart   = "client (this bench)"
	natsPart     = "nats-server"
	postgresPart = "Postgres"
	commandsPart = "commands"
)

// costParts are in the order of the work for an execution.
var costParts = []string{clientPart, "edge", "orchestrator", "scheduler", "worker-manager", "artifacts", natsPart, postgresPart, "worker", commandsPart}

// count returns the totals, or nil if the system counts nothing.
func (h system) count(ctx context.Context) (*counters, error) {
	if h.counts == nil {
		return nil, nil
	}
	return h.counts(ctx)
}

// since returns the cost of one of n executions, nil for nil.
func (c *counters) since(before *counters, n int) *counters {
	if c == nil {
		return nil
	}
	each := func(now, then float64) float64 { return (now - then) / float64(n) }
	parts := func(now, then map[string]float64) map[string]float64 {
		out := map[string]float64{}
		for part := range now {
			out[part] = each(now[part], then[part])
		}
		return out
	}
	return &counters{
		parts(c.processor, before.processor), parts(c.allocations, before.allocations), each(c.messages, before.messages),
		each(c.bytes, before.bytes), each(c.commits, before.commits), each(c.wal, before.wal), each(c.syncs, before.syncs),
	}
}

// count reads the totals of all processes and of NATS.
func (r *roles) count(ctx context.Context) (*counters, error) {
	c := &counters{processor: map[string]float64{}, allocations: map[string]float64{}}
	for _, p := range r.procs {
		used := usageOf(p.cmd.Process.Pid)
		c.processor[p.name] += microseconds(used.own)
		c.processor[commandsPart] += microseconds(used.commands)
		n, err := allocations(ctx, p)
		if err != nil {
			return nil, err
		}
		c.allocations[p.name] += n
	}
	c.processor[natsPart] = microseconds(usageOf(r.server.cmd.Process.Pid).own)
	c.processor[postgresPart] = microseconds(usageOf(os.Getpid()).postgres)
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return nil, err
	}
	c.processor[clientPart] = microseconds(time.Duration(self.Utime.Nano() + self.Stime.Nano()))
	return c, r.traffic(ctx, c)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// traffic adds what passed through NATS.
func (r *roles) traffic(ctx context.Context, c *counters) error {
	body, err := get(ctx, r.monitor+"/varz")
	if err != nil {
		return err
	}
	var varz struct {
		InMsgs   float64 `json:"in_msgs"`
		OutMsgs  float64 `json:"out_msgs"`
		InBytes  float64 `json:"in_bytes"`
		OutBytes float64 `json:"out_bytes"`
	}
	if err := json.Unmarshal(body, &varz); err != nil {
		return err
	}
	c.messages, c.bytes = varz.InMsgs+varz.OutMsgs, varz.InBytes+varz.OutBytes
	return nil
}

var mallocs = regexp.MustCompile(`# Mallocs = (\d+)`)

// allocations returns how many heap objects a role has allocated.
func allocations(ctx context.Context, p *proc) (float64, error) {
	at := profiles.FindStringSubmatch(p.words())
	if at == nil {
		return 0, fmt.Errorf("%s serves no profiles", p.name)
	}
	body, err := get(ctx, at[1]+"allocs?debug=1")
	if err != nil {
		return 0, err
	}
	found := mallocs.FindSubmatch(body)
	if found == nil {
		return 0, fmt.Errorf("the profile of %s has no statistics of memory", p.name)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// statisticsDelay is longer than an idle connection of Postgres keeps its
// statistics to itself.
const statisticsDelay = 11 * time.Second

// commits adds what Postgres has done.
func (r *roles) commits(ctx context.Context, c *counters) error {
	select {
	case <-time.After(statisticsDelay):
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, err := pgx.Connect(ctx, r.database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.QueryRow(ctx, `SELECT d.xact_commit::float8, w.wal_bytes::float8, w.wal_sync::float8
		FROM pg_stat_database d, pg_stat_wal w WHERE d.datname = current_database()`).Scan(&c.commits, &c.wal, &c.syncs)
}

// costs are the costs of one execution in several turns.
type costs []*counters

// median returns the median of one value of each turn.
func (c costs) median(value func(*counters) float64) float64 { return quantile(c.all(value), 0.5) }

func (c costs) all(value func(*counters) float64) []float64 {
	var values []float64
	for _, one := range c {
		values = append(values, value(one))
	}
	return values
}

// processor returns the median for each part, in µs.
func (c costs) processor() map[string]float64 {
	out := map[string]float64{}
	for _, part := range costParts {
		out[part] = c.median(func(one *counters) float64 { return one.processor[part] })
	}
	return out
}

// hodei returns the processor time of Hodei's own processes and its servers, in ms.
func (c *counters) hodei() (ms float64) {
	for part, used := range c.processor {
		if part != clientPart && part != commandsPart {
			ms += used / 1000
		}
	}
	return ms
}

// total returns the allocations of all roles.
func (c *counters) total() (n float64) {
	for v := range maps.Values(c.allocations) {
		n += v
	}
	return n
}

// rows reports the costs.
func (c costs) rows(what string) []row {
	list := []row{{Scenario: "cost of one", What: "processor time, " + what + ", without commands and client", Unit: "ms", Lower: true,
		Hodei: spreadOf(c.all((*counters).hodei)), Parts: c.processor(), Plot: c.table()}}
	for _, one := range []struct {
		what, unit string
		value      func(*counters) float64
	}{
		{"messages in and out of NATS, " + what, "", func(c *counters) float64 { return c.messages }},
		{"kilobytes in and out of NATS, " + what, "kB", func(c *counters) float64 { return c.bytes / 1000 }},
		{"allocations of all roles, " + what, "", (*counters).total},
		{"transactions of Postgres, " + what, "", func(c *counters) float64 { return c.commits }},
		{"syncs of its write-ahead log, " + what, "", func(c *counters) float64 { return c.syncs }},
		{"kilobytes of its write-ahead log, " + what, "kB", func(c *counters) float64 { return c.wal / 1000 }},
	} {
		list = append(list, row{Scenario: "cost of one", What: one.what, Unit: one.unit, Lower: true, Hodei: spreadOf(c.all(one.value))})
	}
	return list
}

// fleetRates are the executions a second of the fleets in the table.
var fleetRates = []float64{100, 1000, 10_000}

// table shows what each part costs, and how many cores of it a fleet needs.
func (c costs) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %-20s %8s %12s %14s   cores at 100/s  1,000/s  10,000/s\n", "", "µs", "allocations", "a core carries")
	processor := c.processor()
	for _, part := range costParts {
		objects, carries := "", ""
		if slices.Contains(slices.Collect(maps.Keys(c[0].allocations)), part) {
			objects = number(c.median(func(one *counters) float64 { return one.allocations[part] }))
		}
		if processor[part] > 0 {
			carries = fmt.Sprintf("%.0f/s", 1e6/processor[part])
		}
		fmt.Fprintf(&b, "  %-20s %8.0f %12s %14s  ", part, processor[part], objects, carries)
		for _, rate := range fleetRates {
			fmt.Fprintf(&b, " %9.2f", rate*processor[part]/1e6)
		}
		b.WriteString("\n")
	}
	return b.String()
}
