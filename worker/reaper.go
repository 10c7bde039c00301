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

// The reaper is a process in its own session that holds the other end of a
// pipe. The worker sends it a first line with its orders, and then a line for
// each process group, "+ <group> <execution_id>" and "- <group>". If the pipe
// closes without "bye", the worker was killed, and the reaper kills what is
// left (reap.go).
//
// A paused worker cannot stop executions at their fence while they run. So the
// worker also sends each contact, "@ <uptime>", and the fence of a group, "+
// <group> <execution_id> <after>", both in nanoseconds, and the reaper enforces
// the fence if the worker does not.

// orders is the first line for a reaper.
type orders struct {
	NATS        string         `json:"nats"`
	WorkerID    hodei.WorkerID `json:"worker_id"`
	Incarnation string         `json:"incarnation"`
	Tag         string         `json:"tag"`
}

const (
	reaperPause = time.Second           // before another is started
	reaperStuck = 2 * time.Second       // to accept a line; then it is considered dead
	reaperLate  = 50 * time.Millisecond // delay of the lines about ended groups
	bye         = "bye"
)

// reaper is the worker's end. Its zero value keeps the list without a process.
type reaper struct {
	mu      sync.Mutex
	groups  map[int]string // the line for each group
	contact string         // the line for the last contact
	pipe    *os.File       // nil while no reaper runs
	proc    *os.Process
	late    string      // lines that are sent with the next one
	soon    *time.Timer // sends them by then
}

// add costs one small write, which wakes the reaper. A lost line does no harm:
// the list is lost only if the worker dies too, and a restarted reaper receives
// the whole list.
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
	r.send(line)
}

// touch sends a contact at the given uptime.
func (r *reaper) touch(at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.contact = fmt.Sprintf("@ %d\n", at)
	r.send(r.contact)
}

// remove informs the reaper with the next line: waking it for that alone would
// cost each execution as much as add. If the worker is killed in between, the
// reaper kills the number of an ended group, which cannot have been reused so
// soon.
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

// catchUp sends the delayed lines.
func (r *reaper) catchUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late != "" {
		r.send("")
	}
}

// send kills a reaper that does not accept the line, so that another is
// started.
func (r *reaper) send(line string) {
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

// keepReaper keeps a reaper running until ctx is done, and then sends it "bye".
// It calls begun when the first one has its orders or cannot be started.
func (w *Worker) keepReaper(ctx context.Context, begun func()) {
	defer begun()
	if len(w.cfg.Reaper) == 0 {
		return
	}
	for ctx.Err() == nil {
		err := w.superviseReaper(ctx, begun)
		begun()
		if err != nil && ctx.Err() == nil {
			w.log.Warn("reaper ended, starting another", "err", err)
			w.unlessDone(ctx, reaperPause, nil)
		}
	}
}

// superviseReaper starts a reaper, sends it the whole list, and returns when it
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

// startReaper starts the process. It logs to a file instead of the worker's
// output, whose reader would otherwise have to wait for both.
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

// reaperEnvironment contains only the location of TLS certificates: the reaper
// receives everything else, including the URL of NATS, through the pipe.
func reaperEnvironment() []string {
	env := []string{} // nil would be the worker's own
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// attach connects the pipe to the reaper and sends it the whole list.
func (r *reaper) attach(proc *os.Process, pipe *os.File, o orders) {
	first, _ := json.Marshal(o) // strings always encode
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proc, r.pipe, r.late = proc, pipe, ""
	r.send(string(first) + "\n")
	r.send(r.contact)
	for _, line := range r.groups {
		r.send(line)
	}
}

func (r *reaper) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pipe = nil
}

// bye ends the reaper, because the worker ends by itself.
func (r *reaper) bye() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send(bye + "\n")
	if proc := r.proc; r.pipe != nil {
		time.AfterFunc(reaperStuck, func() { _ = proc.Kill() })
	}
	r.pipe = nil
}
