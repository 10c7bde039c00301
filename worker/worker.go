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
	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/internal/disk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/exec/process"
	"github.com/hodei-jobs/hodei/worker/joblog"
	"github.com/hodei-jobs/hodei/worker/mark"
	"github.com/hodei-jobs/hodei/worker/reaper"
)

// DefaultLogLimit is the default limit of an execution's recorded output, in
// bytes.
const DefaultLogLimit = 100 << 20

// DefaultGrace is the time between SIGTERM and SIGKILL that a worker gives unless its Config
// has another.
const DefaultGrace = 10 * time.Second

// Config configures a Worker. NATS, Type, Slots and StateDir are required.
type Config struct {
	NATS   *nats.Conn // a separate connection, so that other traffic does not delay it
	Name   string     // display name; optional
	Type   string
	Slots  int // at least 1
	Labels map[string]string
	// Dedicated has the worker accept only executions that name its type.
	Dedicated bool
	// StateDir is a directory for this worker only, created if missing.
	StateDir string
	// ID is the id of the worker, for a user of NATS with permissions for this id only. Default:
	// the id in StateDir, or a new one.
	ID *hodei.WorkerID
	// Fresh registers the worker under a new id, regardless of StateDir.
	Fresh   bool
	Version string
	// Grace is the time between SIGTERM and SIGKILL. Default: 10 s; negative: none. A fence,
	// which ends restartable executions without contact, may leave less.
	Grace time.Duration
	// Reaper is the program, with its arguments, that runs Reap; none is
	// started if it is empty.
	Reaper []string
	// SpoolMemory and SpoolDisk bound, in bytes, the output of all executions
	// that is not in the record yet. Default: 32 MiB and 1 GiB.
	SpoolMemory, SpoolDisk int64
	// MinFree is the space, in bytes, that must be free on the disk of StateDir
	// for the worker to accept executions; see disk.NewGuard.
	MinFree int64
	// LogLimit bounds, in bytes, the recorded output of one execution. Default:
	// 100 MiB.
	LogLimit int64
	Log      *slog.Logger

	afterLimit, cachePatience, reportWithin time.Duration // tests shorten them
}

// Worker is one member of the fleet.
type Worker struct {
	cfg         Config
	log         *slog.Logger
	incarnation string
	tag         string         // of every command's environment
	id          hodei.WorkerID // set before ready closes
	state       *state
	seal        *seal.Pair
	null        *os.File // every command's standard input
	spool       *joblog.Spool
	shipper     joblog.Shipper // once it is registered
	disk        *disk.Guard
	slots       *slots
	reaper      reaper.Keeper
	host        *process.Host
	contact     contact
	// transfers has one element for each execution that transfers files.
	transfers   chan struct{}
	ends        batch.Group[schemas.End, schemas.Finished]
	reconnected rpc.Signal // the key is to be written at once: NATS is back, and may have lost it
	ready       chan struct{}
	terminate   chan struct{}
	terminating sync.Once
}

// New checks the configuration. Nothing happens before Run.
func New(cfg Config) (*Worker, error) {
	cfg.Grace = max(0, cmp.Or(cfg.Grace, DefaultGrace))
	cfg.SpoolMemory = cmp.Or(cfg.SpoolMemory, 32<<20)
	cfg.SpoolDisk = cmp.Or(cfg.SpoolDisk, 1<<30)
	cfg.LogLimit = cmp.Or(cfg.LogLimit, DefaultLogLimit)
	cfg.afterLimit = cmp.Or(cfg.afterLimit, afterLimit)
	cfg.cachePatience = cmp.Or(cfg.cachePatience, cachePatience)
	cfg.reportWithin = cmp.Or(cfg.reportWithin, reportWithin)
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
	w := &Worker{
		cfg: cfg, log: cfg.Log, incarnation: uuid.NewString(), tag: rand.Text(), slots: newSlots(cfg.Slots),
		disk:        disk.NewGuard(cfg.MinFree, disk.Store{Name: "the worker", Dir: cfg.StateDir}),
		transfers:   make(chan struct{}, transfersAtOnce),
		contact:     contact{sooner: rpc.NewSignal()},
		reconnected: rpc.NewSignal(), ready: make(chan struct{}), terminate: make(chan struct{}),
	}
	var err error
	if w.seal, err = seal.NewPair(); err != nil {
		return nil, err
	}
	w.host = process.NewHost(w.tag, &w.reaper)
	w.ends.Run, w.ends.Size, w.ends.MaxSize = w.sendEnds, schemas.End.Size, schemas.MaxSharedBytes
	return w, nil
}

// Ready is closed when the worker is registered and its key is written.
func (w *Worker) Ready() <-chan struct{} { return w.ready }

// ID returns the worker's id, valid after Ready.
func (w *Worker) ID() hodei.WorkerID { return w.id }

// Terminate kills the executions, with SIGTERM and after the grace SIGKILL, and
// makes Run report that and return. It may be called at any time, and
// repeatedly.
func (w *Worker) Terminate() {
	w.terminating.Do(func() {
		w.slots.leave(hodei.WorkerTerminating)
		close(w.terminate)
	})
}

// Run registers the worker and works until ctx is done or the worker receives a
// drain command. It then accepts nothing new, waits until its executions have
// ended and are recorded with their logs, reports that it leaves, and returns
// nil. A Worker runs once.
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
			return nil // stopped before it was registered
		}
		return err
	}
	err = w.serve(joining)
	return errors.Join(err, w.state.keepTag(""))
}

// succeed kills the commands that a killed worker left in this directory, if
// its reaper was killed too. It runs before registration, because after that
// the executions count as lost and may be started again.
func (w *Worker) succeed(ctx context.Context) error {
	if before := w.state.tag(); before != "" {
		mark.Sweep(ctx, func() int { return mark.Worker(before).Signal(syscall.SIGKILL, 0) })
	}
	if err := w.state.keepTag(w.tag); err != nil {
		return fmt.Errorf("keep the tag of commands: %w", err)
	}
	return nil
}

// untilTerminated returns ctx, which Terminate ends too.
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
