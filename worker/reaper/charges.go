package reaper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// charge is one process group that the reaper kills if the worker does not.
type charge struct {
	execution string
	fence     time.Duration // the reaper kills it so long after the last contact; 0 for never
	fenced    bool          // the reaper has killed it
}

// charges is the state of a reaper: its worker's orders and process groups.
type charges struct {
	log     *slog.Logger
	orders  Orders
	ordered bool // orders is set
	contact time.Duration
	groups  map[int]*charge
	next    time.Duration // the uptime at which the first fence may pass, 0 for never
}

// follow reads lines until the worker sends bye, or until the pipe closes without one,
// because the worker was killed. It checks fences only when nothing is left to read:
// otherwise a reaper that was itself paused would find its worker silent.
//
// It pauses after each read, and then reads what was written meanwhile at once: a write
// to a pipe that no process waits for wakes none. Under load the reaper would otherwise
// wake for each command, which costs a twentieth of all that a short one costs.
func (c *charges) follow(ctx context.Context, in *os.File) (killed bool, err error) {
	var rest []byte
	buf := make([]byte, 64<<10) // all that a pipe holds by default
	for {
		silent, err := c.await(in)
		if err != nil {
			return false, fmt.Errorf("wait for orders: %w", err)
		}
		if silent {
			c.keepFences(ctx)
			continue
		}
		n, err := in.Read(buf)
		rest = append(rest, buf[:n]...)
		for line, after, whole := bytes.Cut(rest, []byte("\n")); whole; line, after, whole = bytes.Cut(rest, []byte("\n")) {
			rest = after
			if string(line) == bye {
				return false, nil
			}
			if err := c.take(line); err != nil {
				return false, err
			}
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("read orders: %w", err)
		}
		time.Sleep(readPause)
	}
}

// await returns when there is something to read. It returns silent if a fence may have
// passed first.
func (c *charges) await(in *os.File) (silent bool, err error) {
	for {
		patience := -1
		if c.next != 0 {
			patience = int(max(0, c.next-Uptime()).Milliseconds()) + 1
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}, patience)
		if !errors.Is(err, unix.EINTR) {
			return n == 0, err
		}
	}
}

// take applies a line. It ignores a line that is incomplete, because the worker was
// killed while it wrote the line.
func (c *charges) take(line []byte) error {
	if !c.ordered {
		c.ordered = true
		if err := json.Unmarshal(line, &c.orders); err != nil {
			return fmt.Errorf("read orders: %w", err)
		}
		return nil
	}
	fields := strings.Fields(string(line))
	if len(fields) < 2 {
		return nil
	}
	n, err := strconv.ParseInt(fields[1], 10, 64)
	switch {
	case err != nil:
	case fields[0] == "@":
		c.contact = time.Duration(n)
	case n <= 1: // -1 and -0 would address far more than a group
	case fields[0] == "+" && len(fields) >= 3:
		g := &charge{execution: fields[2]}
		if len(fields) > 3 {
			after, _ := strconv.ParseInt(fields[3], 10, 64)
			g.fence = time.Duration(after)
		}
		c.groups[int(n)] = g
		c.expect(g)
	case fields[0] == "-":
		delete(c.groups, int(n))
	}
	return nil
}

// expect makes await return when the fence of the group may pass, at the latest.
func (c *charges) expect(g *charge) {
	if due := c.contact + g.fence; g.fence > 0 && (c.next == 0 || due < c.next) {
		c.next = due
	}
}

// keepFences kills the runs whose fence has passed.
func (c *charges) keepFences(ctx context.Context) {
	c.next = 0
	for group, g := range c.groups {
		if g.fence == 0 || g.fenced {
			continue
		}
		if Uptime() < c.contact+g.fence {
			c.expect(g)
			continue
		}
		g.fenced = true
		c.log.Warn("worker silent, killing restartable execution", "group", group, "execution_id", g.execution)
		var id hodei.ExecutionID
		_ = syscall.Kill(-group, syscall.SIGKILL) // it may have exited
		if id.UnmarshalText([]byte(g.execution)) == nil {
			mark.Sweep(ctx, func() int { return mark.Execution(c.orders.Tag, id).Signal(syscall.SIGKILL, 0) })
		}
	}
}

// killAll kills what the worker ran: its process groups, and processes that left them.
func (c *charges) killAll(ctx context.Context) {
	logged := false
	mark.Sweep(ctx, func() (left int) {
		for group, g := range c.groups {
			if syscall.Kill(-group, syscall.SIGKILL) != nil {
				delete(c.groups, group)
				continue
			}
			if left++; !logged {
				c.log.Info("process group killed", "group", group, "execution_id", g.execution)
			}
		}
		if logged = true; c.orders.Tag == "" {
			return left
		}
		strays := mark.Worker(c.orders.Tag).Signal(syscall.SIGKILL, 0)
		if strays > 0 {
			c.log.Info("processes outside of their group killed", "number", strays)
		}
		return left + strays
	})
}
