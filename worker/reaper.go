package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
)

// The reaper is a process of its own session that holds the other end of a
// pipe. It is told of each process group in a line, "+ <group> <execution_id>"
// and "- <group>", after a first line with its orders; when the pipe closes
// without "bye", the worker was killed, and it kills what is left (reap.go).
//
// A worker that is paused cannot end runs at their fence, while they run on. So
// the reaper is told of each contact too, "@ <uptime>", and of a group's fence,
// "+ <group> <execution_id> <after>", both in nanoseconds, and keeps the fence
// when the worker does not.

// orders is the first line that a reaper is sent.
type orders struct {
	NATS        string         `json:"nats"`
	WorkerID    hodei.WorkerID `json:"worker_id"`
	Incarnation string         `json:"incarnation"`
	Tag         string         `json:"tag"`
}

const (
	reaperPause = time.Second           // before another is started
	reaperStuck = 2 * time.Second       // to take a line; then it is taken for dead
	reaperLate  = 50 * time.Millisecond // to be told that a group is gone
	bye         = "bye"
)

// reaper is the worker's end. Its zero value keeps the list, for nobody.
type reaper struct {
	mu      sync.Mutex
	groups  map[int]string // the line that tells of each
	contact string         // the line that tells of the last
	pipe    *os.File       // nil while no reaper runs
	proc    *os.Process
	late    string      // lines that are told with the next
	soon    *time.Timer // or by then
}

// add costs one small write, which wakes the reaper. What does not reach the reaper
// need not: if the worker dies with it, so does the list, and if it was started
// anew it is told everything again.
func (r *reaper) add(group int, id hodei.ExecutionID, f *fence) {
	line := fmt.Sprintf("+ %d %s\n", group, id)
	if f != nil {
		line = fmt.Sprintf("+ %d %s %d\n", group, id, f.reap)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups == nil {
		r.groups = map[int]string{}
	}
	r.groups[group] = line
	r.tell(line)
}

// touch tells of a contact at the given moment of uptime.
func (r *reaper) touch(at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.contact = fmt.Sprintf("@ %d\n", at)
	r.tell(r.contact)
}

// remove tells the reaper with the next line: to wake it for that alone would cost
// each run as much as add does. Should the worker be killed in between, the group
// is killed whose number was let go: nobody else's, for numbers do not come round
// so soon.
func (r *reaper) remove(group int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.groups, group)
	if r.pipe == nil {
		return
	}
	if r.late == "" {
		r.soon = time.AfterFunc(reaperLate, r.catchUp)
	}
	r.late += fmt.Sprintf("- %d\n", group)
}

// catchUp tells what is late.
func (r *reaper) catchUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late != "" {
		r.tell("")
	}
}

// tell kills a reaper that does not take the line, so that another is started.
func (r *reaper) tell(line string) {
	if r.pipe == nil {
		return
	}
	if r.late != "" {
		r.soon.Stop()
		line, r.late = r.late+line, ""
	}
	_ = r.pipe.SetWriteDeadline(time.Now().Add(reaperStuck))
	if _, err := r.pipe.WriteString(line); err != nil {
		_ = r.proc.Kill()
		r.pipe = nil
	}
}

// keepReaper has a reaper beside the worker at all times, until ctx is done;
// then it says bye to it. It calls begun when the first one has its orders, or
// cannot be had.
func (w *Worker) keepReaper(ctx context.Context, begun func()) {
	defer begun()
	if len(w.cfg.Reaper) == 0 {
		return
	}
	for ctx.Err() == nil {
		err := w.superviseReaper(ctx, begun)
		begun()
		if err != nil && ctx.Err() == nil {
			w.log.Warn("reaper ended: starting another", "err", err)
			w.unlessDone(ctx, reaperPause, nil)
		}
	}
}

// superviseReaper starts a reaper, tells it everything, and returns when it
// has ended.
func (w *Worker) superviseReaper(ctx context.Context, begun func()) error {
	in, pipe, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start reaper: %w", err)
	}
	defer pipe.Close()
	proc, err := w.startReaper(in)
	in.Close()
	if err != nil {
		return fmt.Errorf("start reaper: %w", err)
	}
	w.reaper.attach(proc, pipe, orders{
		NATS: strings.Join(w.cfg.NATS.Opts.Servers, ","), WorkerID: w.id, Incarnation: w.incarnation, Tag: w.tag,
	})
	begun()
	defer context.AfterFunc(ctx, w.reaper.bye)()
	state, err := proc.Wait()
	w.reaper.detach()
	if err != nil {
		return fmt.Errorf("wait for reaper: %w", err)
	}
	return fmt.Errorf("reaper %s", state)
}

// startReaper starts the process. It writes to a file, not to what the worker
// writes to: whoever reads that would have to wait for both.
func (w *Worker) startReaper(in *os.File) (*os.Process, error) {
	log, err := os.OpenFile(filepath.Join(w.state.dir, "reaper.log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	return os.StartProcess(w.cfg.Reaper[0], w.cfg.Reaper, &os.ProcAttr{
		Dir: "/", Env: reaperEnvironment(), Files: []*os.File{in, log, log}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
}

// reaperEnvironment holds nothing of the worker's but where the certificates of
// TLS are: the reaper receives all else, the URL of NATS included, on the pipe.
func reaperEnvironment() []string {
	env := []string{} // nil would be the worker's own
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// attach makes pipe the way to the reaper and tells it all there is.
func (r *reaper) attach(proc *os.Process, pipe *os.File, o orders) {
	first, _ := json.Marshal(o) // strings always encode
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proc, r.pipe, r.late = proc, pipe, ""
	r.tell(string(first) + "\n")
	r.tell(r.contact)
	for _, line := range r.groups {
		r.tell(line)
	}
}

func (r *reaper) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pipe = nil
}

// bye lets the reaper go, for the worker ends by itself.
func (r *reaper) bye() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell(bye + "\n")
	if proc := r.proc; r.pipe != nil {
		time.AfterFunc(reaperStuck, func() { _ = proc.Kill() })
	}
	r.pipe = nil
}
