package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run.
type bench struct {
	short   bool
	turns   int
	dir     string // for the measured data, removed at the end
	hodei   string // the binary
	limits  string // the program of limits
	profile string // directory for profiles, "" for none
	peers   []peer
}

// scenario is a part of the bench that can be chosen by its name.
type scenario struct {
	name string
	run  func(context.Context, *bench) ([]row, error)
	most time.Duration // time limit of a full run
}

var scenarios = []scenario{
	{"throughput", throughput, 20 * time.Minute},
	{"latency", latency, 15 * time.Minute},
	{"hops", hops, 5 * time.Minute},
	{"logs", logs, 15 * time.Minute},
	{"masking", masking, 15 * time.Minute},
	{"files", files, 20 * time.Minute},
	{"lines", lineLatency, 5 * time.Minute},
	{"followers", crowd, 20 * time.Minute},
	{"record", fullRecord, 15 * time.Minute},
	{"runs", shortRuns, 10 * time.Minute},
	{"many-runs", manyRuns, 15 * time.Minute},
	{"large-runs", largeRuns, 10 * time.Minute},
	{"schedules", schedules, 20 * time.Minute},
	{"webhooks", webhooks, 10 * time.Minute},
	{"auth", auth, 20 * time.Minute},
	{"plan", planning, time.Minute},
	{"leases", leases, 5 * time.Minute},
	{"scaleout", scaleOut, 15 * time.Minute},
	{"footprint", footprint, 10 * time.Minute},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := run
	if len(os.Args) > 2 { // a process that a run starts
		switch os.Args[1] {
		case "peer":
			do = func(ctx context.Context) error { return work(ctx, os.Args[2], os.Args[3:]) }
		case "nats":
			do = func(ctx context.Context) error { return serveNATS(ctx, os.Args[2]) }
		}
	}
	if err := do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{}
	flag.BoolVar(&b.short, "short", false, "smaller numbers, fewer turns: a few minutes in total")
	flag.IntVar(&b.turns, "turns", 0, "number of measurements (default 3, with -short 2)")
	flag.StringVar(&b.hodei, "hodei", "../bin/hodei", "the binary to measure")
	flag.StringVar(&b.limits, "limit", "../bin/limit", "the program of limits")
	flag.StringVar(&b.profile, "profile", "", "write profiles of hodei up to this directory")
	only := flag.String("only", "", "comma-separated scenarios to run")
	chosen := flag.String("peers", "", "comma-separated peers to run (default all, with -short the quick ones); none for none")
	parent := flag.String("dir", "", "directory for the measured data (default the temporary directory)")
	results := flag.String("results", "results.json", "where the results are written")
	accepted := flag.String("accepted", "accepted.json", "the results to compare with")
	accepting := flag.Bool("accept", false, "keep the results as the accepted ones, and show them in docs/performance.md")
	flag.Parse()
	if *accepting {
		return acceptResults(*results, *accepted, "../docs/performance.md", "../docs/images/cost.svg")
	}
	if *chosen == "" {
		*chosen = "river,asynq,temporal"
		if b.short {
			*chosen = "river,asynq"
		}
	}
	if b.turns == 0 {
		b.turns = b.scale(3, 2)
	}
	if err := b.choosePeers(*chosen); err != nil {
		return err
	}
	list, err := selected(*only)
	if err != nil {
		return err
	}
	done, err := b.setUp(*parent)
	if err != nil {
		return err
	}
	defer done()
	report := newReport(ctx, b)
	report.Part = len(list) < len(scenarios) || len(b.peers) < len(allPeers)
	for _, s := range list {
		b.logf("%s", s.name)
		report.add(s.name, func() ([]row, error) {
			ctx, cancel := context.WithTimeout(ctx, s.most)
			defer cancel()
			return s.run(ctx, b)
		})
	}
	report.print(os.Stdout, *accepted)
	return errors.Join(report.write(*results), report.failed())
}

// setUp looks up the programs and makes the directory of the measured data, which done
// removes.
func (b *bench) setUp(parent string) (done func(), err error) {
	for _, path := range []*string{&b.hodei, &b.limits} {
		if *path, err = exec.LookPath(*path); err != nil {
			return nil, err
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
	}
	if b.dir, err = os.MkdirTemp(parent, "hodei-bench-"); err != nil {
		return nil, err
	}
	done = func() { os.RemoveAll(b.dir) }
	err = errors.Join(onDisk(b.dir),
		os.Chmod(b.dir, 0o711), // Postgres may run as another user
		// hodei up --auth writes a context, which must not replace the user's.
		os.Setenv("XDG_CONFIG_HOME", b.dir))
	if err != nil {
		done()
	}
	return done, err
}

// selected returns the scenarios with the given names, or all.
func selected(names string) ([]scenario, error) {
	if names == "" {
		return scenarios, nil
	}
	var list []scenario
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q", name)
		}
		list = append(list, scenarios[i])
	}
	return list, nil
}

// onDisk refuses a directory in memory, because a commit there does not wait.
func onDisk(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return err
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return fmt.Errorf("%s is in memory: -dir names a directory on a disk", dir)
	}
	return nil
}

// scale chooses the number for a full or a short run.
func (b *bench) scale(full, short int) int {
	if b.short {
		return short
	}
	return full
}

// logf prints the progress.
func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// choosePeers looks up the peers' names.
func (b *bench) choosePeers(names string) error {
	for name := range strings.SplitSeq(names, ",") {
		if name == "none" {
			continue
		}
		i := slices.IndexFunc(allPeers, func(p peer) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("no peer %q", name)
		}
		b.peers = append(b.peers, allPeers[i])
	}
	return nil
}
