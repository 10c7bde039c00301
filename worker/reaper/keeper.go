package reaper

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Orders is the first line that a reaper receives.
type Orders struct {
	NATS        string         `json:"nats"` // URLs, separated by commas
	WorkerID    hodei.WorkerID `json:"worker_id"`
	Incarnation string         `json:"incarnation"`
	Tag         string         `json:"tag"`
	// Secrets is a directory with files of the worker that the reaper removes.
	Secrets string `json:"secrets"`
}

// Config is what a Keeper needs to start a reaper.
type Config struct {
	// Command is the program whose body is Run, with its arguments.
	Command []string
	// LogFile receives the output of the reaper. It is a file, and not the worker's own
	// output: a reader of that would have to wait until the reaper ends too.
	LogFile string
	Orders  Orders
	Log     *slog.Logger
}

const (
	restartPause = time.Second           // before another reaper is started
	stuckAfter   = 2 * time.Second       // a reaper that has not taken a line by then is killed
	removalDelay = 50 * time.Millisecond // the longest delay of "- <group>"
	bye          = "bye"
)

// Keeper is the worker's end of the pipe. It has the list of process groups, which it
// sends to each reaper that it starts. Its zero value has an empty list and no reaper.
// Its methods may be called at the same time.
type Keeper struct {
	mu      sync.Mutex
	groups  map[int]string // the line that announces each
	contact string         // the line with the last contact
	pipe    *os.File       // nil while no reaper runs
	proc    *os.Process
	late    string      // lines that are sent with the next one
	soon    *time.Timer // or when this timer fires
}

// Add puts a process group in the reaper's care. If the worker has no contact for the
// time of the fence, 0 for none, the reaper kills the group.
//
// Add costs one small write, which seldom wakes the reaper (charges.follow). It needs no
// answer: if the worker is killed together with the reaper, the list is lost too, and a
// reaper that is started later receives the whole list.
func (k *Keeper) Add(group int, id hodei.ExecutionID, fence time.Duration) {
	line := fmt.Sprintf("+ %d %s\n", group, id)
	if fence > 0 {
		line = fmt.Sprintf("+ %d %s %d\n", group, id, fence)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.groups == nil {
		k.groups = map[int]string{}
	}
	k.groups[group] = line
	k.send(line)
}

// Touch sends the moment of the last contact, which moves all fences.
func (k *Keeper) Touch(at time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.contact = fmt.Sprintf("@ %d\n", at)
	k.send(k.contact)
}

// Remove takes a process group from the list. The reaper learns of it with the next
// line, or after 50 ms: a write for each group that ends would cost as much as Add. If
// the worker is killed in between, the reaper kills a group number that is free; the
// system does not use a number again so soon.
func (k *Keeper) Remove(group int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.groups, group)
	if k.pipe == nil {
		return
	}
	if k.late == "" {
		k.soon = time.AfterFunc(removalDelay, k.catchUp)
	}
	k.late += fmt.Sprintf("- %d\n", group)
}

// Len returns the number of process groups in the reaper's care.
func (k *Keeper) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.groups)
}

// catchUp sends the lines that are late.
func (k *Keeper) catchUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.late != "" {
		k.send("")
	}
}

// send kills a reaper that does not take the line; Keep then starts another.
func (k *Keeper) send(line string) {
	if k.pipe == nil {
		return
	}
	if k.late != "" {
		k.soon.Stop()
		line, k.late = k.late+line, ""
	}
	_ = k.pipe.SetWriteDeadline(time.Now().Add(stuckAfter))
	if _, err := k.pipe.WriteString(line); err != nil {
		_ = k.proc.Kill()
		k.pipe = nil
	}
}

// Keep runs a reaper at all times until ctx is done; then it sends bye and waits for the
// reaper to end. It calls begun, perhaps several times, once the first reaper has its
// orders or could not be started. Without a Command it starts none.
func (k *Keeper) Keep(ctx context.Context, cfg Config, begun func()) {
	defer begun()
	if len(cfg.Command) == 0 {
		return
	}
	for ctx.Err() == nil {
		err := k.supervise(ctx, cfg, begun)
		begun()
		if err != nil && ctx.Err() == nil {
			cfg.Log.Warn("reaper ended, starting another", "err", err, "log_file", cfg.LogFile)
			select {
			case <-ctx.Done():
			case <-time.After(restartPause):
			}
		}
	}
}

// supervise starts a reaper, sends it everything, and returns when it has ended.
func (k *Keeper) supervise(ctx context.Context, cfg Config, begun func()) error {
	in, pipe, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start reaper: %w", err)
	}
	defer pipe.Close()
	proc, err := cfg.start(in)
	in.Close()
	if err != nil {
		return fmt.Errorf("start reaper: %w", err)
	}
	k.attach(proc, pipe, cfg.Orders)
	begun()
	defer context.AfterFunc(ctx, k.bye)()
	state, err := proc.Wait()
	k.detach()
	if err != nil {
		return fmt.Errorf("wait for reaper: %w", err)
	}
	return fmt.Errorf("reaper %s", state)
}

// start starts the process in a session of its own, so that no signal to the worker's
// group or terminal reaches it.
func (c *Config) start(in *os.File) (*os.Process, error) {
	log, err := os.OpenFile(c.LogFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	return os.StartProcess(c.Command[0], c.Command, &os.ProcAttr{
		Dir: "/", Env: environment(), Files: []*os.File{in, log, log}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
}

// environment has only the places of the TLS certificates: the reaper receives
// everything else, the URL of NATS included, on the pipe.
func environment() []string {
	env := []string{} // nil would be the worker's own
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// attach makes pipe the way to the reaper and sends the orders, the last contact and
// the whole list.
func (k *Keeper) attach(proc *os.Process, pipe *os.File, o Orders) {
	first, _ := json.Marshal(o) // strings always encode
	k.mu.Lock()
	defer k.mu.Unlock()
	k.proc, k.pipe, k.late = proc, pipe, ""
	k.send(string(first) + "\n")
	k.send(k.contact)
	for _, line := range k.groups {
		k.send(line)
	}
}

func (k *Keeper) detach() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pipe = nil
}

// bye ends the reaper, because the worker ends by itself.
func (k *Keeper) bye() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.send(bye + "\n")
	if proc := k.proc; k.pipe != nil {
		time.AfterFunc(stuckAfter, func() { _ = proc.Kill() })
	}
	k.pipe = nil
}
