package worker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/disk"
	"github.com/hodei-jobs/hodei/worker/joblog"
)

// DefaultLogLimit is how many bytes of output of one execution are recorded.
const DefaultLogLimit = 100 << 20

// Config is what a Worker needs: NATS, Type, Slots and StateDir.
type Config struct {
	NATS   *nats.Conn // its own: it must not wait behind anybody else's traffic
	Name   string     // for people; none when empty
	Type   string
	Slots  int // at least 1
	Labels map[string]string
	// Dedicated has the worker accept only executions that name its type.
	Dedicated bool
	// StateDir is a directory of this worker alone, created when missing.
	StateDir string
	// Fresh registers the worker under a new id, whatever StateDir holds.
	Fresh   bool
	Version string
	// Grace is the time between TERM and KILL, 10 s when 0.
	Grace time.Duration
	// Reaper is the program, with its arguments, whose body is Reap; none is
	// started when empty.
	Reaper []string
	// SpoolMemory and SpoolDisk bound, in bytes, what all runs together have
	// said and the record does not yet have; 32 MiB and 1 GiB when 0.
	SpoolMemory, SpoolDisk int64
	// MinFree is the space, in bytes, that must be free on the disk of StateDir for the
	// worker to accept anything; see disk.NewGuard.
	MinFree int64
	// LogLimit bounds, in bytes, what is recorded of the output of one
	// execution; 100 MiB when 0.
	LogLimit int64
	Log      *slog.Logger
}

// Worker is one member of the fleet.
type Worker struct {
	cfg         Config
	log         *slog.Logger
	incarnation string
	tag         string         // of every command's environment
	id          hodei.WorkerID // set before ready closes
	base        []variable     // of every command's environment
	state       *state
	null        *os.File // every command's standard input
	spool       *joblog.Spool
	shipper     joblog.Shipper // once it is registered
	disk        *disk.Guard
	slots       *slots
	reaper      reaper
	oom         *oomKills
	contact     contact
	reconnected chan struct{} // one value: the key is to be written at once
	ready       chan struct{}
	terminate   chan struct{}
	terminating sync.Once
}

// New checks the configuration. Nothing happens before Run.
func New(cfg Config) (*Worker, error) {
	cfg.Grace = cmp.Or(cfg.Grace, 10*time.Second)
	cfg.SpoolMemory = cmp.Or(cfg.SpoolMemory, 32<<20)
	cfg.SpoolDisk = cmp.Or(cfg.SpoolDisk, 1<<30)
	cfg.LogLimit = cmp.Or(cfg.LogLimit, DefaultLogLimit)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	switch {
	case cfg.NATS == nil:
		return nil, errors.New("worker: a NATS connection is required")
	case cfg.Type == "":
		return nil, errors.New("worker: a type is required")
	case cfg.Slots < 1:
		return nil, fmt.Errorf("worker: %d slots: at least 1 required", cfg.Slots)
	case cfg.LogLimit < 0:
		return nil, fmt.Errorf("worker: log limit %d is negative", cfg.LogLimit)
	case cfg.StateDir == "":
		return nil, errors.New("worker: a state directory is required")
	}
	return &Worker{
		cfg: cfg, log: cfg.Log, incarnation: uuid.NewString(), tag: rand.Text(), base: baseEnvironment(), slots: newSlots(cfg.Slots),
		disk: disk.NewGuard(cfg.MinFree, disk.Store{Name: "the worker", Dir: cfg.StateDir}),
		oom:  newOOMKills("/"), contact: contact{sooner: make(chan struct{}, 1)},
		reconnected: make(chan struct{}, 1), ready: make(chan struct{}), terminate: make(chan struct{}),
	}, nil
}

// Ready is closed once the worker is registered and its key is written.
func (w *Worker) Ready() <-chan struct{} { return w.ready }

// ID is the worker's id, valid after Ready.
func (w *Worker) ID() hodei.WorkerID { return w.id }

// Terminate kills what runs, TERM first and KILL after the grace, and has Run
// report that and return. It may be called at any time, and again.
func (w *Worker) Terminate() {
	w.terminating.Do(func() {
		w.slots.leave(hodei.WorkerTerminating)
		close(w.terminate)
	})
}

// Run registers the worker and works until ctx is done or the worker is told
// over NATS to drain. Then it takes nothing new, waits until what runs has
// ended and is recorded, log and all, tells that it leaves, and returns nil. A
// Worker runs once.
func (w *Worker) Run(ctx context.Context) error {
	var err error
	if w.state, err = openState(w.cfg.StateDir); err != nil {
		return err
	}
	defer w.state.close()
	if w.null, err = os.Open(os.DevNull); err != nil {
		return fmt.Errorf("run worker: %w", err)
	}
	defer w.null.Close()
	w.spool = joblog.NewSpool(w.state.spool, w.cfg.SpoolMemory, w.cfg.SpoolDisk)

	if err := w.succeed(ctx); err != nil {
		return err
	}
	joining, cancel := w.untilTerminated(ctx)
	defer cancel()
	if err := w.register(joining); err != nil {
		if joining.Err() != nil {
			return nil // stopped before it was a member
		}
		return err
	}
	err = w.serve(joining)
	return errors.Join(err, w.state.keepTag(""))
}

// succeed ends what a worker that was killed in this directory left running, if
// its reaper was killed with it. It comes before this one is registered, because
// from then on all that is lost, and may be started again.
func (w *Worker) succeed(ctx context.Context) error {
	if before := w.state.tag(); before != "" {
		sweep(ctx, func() int { return workerMark(before).signal(syscall.SIGKILL, 0) })
	}
	if err := w.state.keepTag(w.tag); err != nil {
		return fmt.Errorf("keep the tag of commands: %w", err)
	}
	return nil
}

// untilTerminated is ctx, ended by Terminate too.
func (w *Worker) untilTerminated(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
		case <-w.terminate:
			cancel()
		}
	}()
	return ctx, func() { cancel(); <-done }
}
