package worker

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
)

// charge is one process group in a reaper's care.
type charge struct {
	execution string
	fence     time.Duration // after the last contact it is killed; 0 for never
	fenced    bool          // it was
}

// charges is what a reaper knows of its worker.
type charges struct {
	log     *slog.Logger
	orders  orders
	told    bool // has orders
	contact time.Duration
	groups  map[int]*charge
	next    time.Duration // the uptime at which a fence may come, 0 for never
}

// follow reads what the worker says until it says bye, or is gone without.
// Fences are only looked at when nothing is left to read: else a reaper that
// was itself paused would take its worker for silent.
func (c *charges) follow(ctx context.Context, in *os.File) (killed bool, err error) {
	var rest []byte
	buf := make([]byte, 4<<10)
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
	}
}

// await returns when there is something to read, or silent when a fence may
// have come first.
func (c *charges) await(in *os.File) (silent bool, err error) {
	for {
		patience := -1
		if c.next != 0 {
			patience = int(max(0, c.next-uptime()).Milliseconds()) + 1
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}, patience)
		if !errors.Is(err, unix.EINTR) {
			return n == 0, err
		}
	}
}

// take understands a line. One that was cut short by the death of the worker
// is passed over.
func (c *charges) take(line []byte) error {
	if !c.told {
		c.told = true
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
	case n <= 1: // -1 and -0 would mean far more than a group
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

// expect has the fences looked at when that of the group may come.
func (c *charges) expect(g *charge) {
	if due := c.contact + g.fence; g.fence > 0 && (c.next == 0 || due < c.next) {
		c.next = due
	}
}

// keepFences kills the runs whose fence has come.
func (c *charges) keepFences(ctx context.Context) {
	c.next = 0
	for group, g := range c.groups {
		if g.fence == 0 || g.fenced {
			continue
		}
		if uptime() < c.contact+g.fence {
			c.expect(g)
			continue
		}
		g.fenced = true
		c.log.Warn("worker silent: killing what may be started elsewhere", "group", group, "execution_id", g.execution)
		var id hodei.ExecutionID
		_ = syscall.Kill(-group, syscall.SIGKILL) // it may be gone already
		if id.UnmarshalText([]byte(g.execution)) == nil {
			sweep(ctx, func() int { return runMark(c.orders.Tag, id).signal(syscall.SIGKILL, 0) })
		}
	}
}

// killAll kills what the worker ran, in its groups and out of them.
func (c *charges) killAll(ctx context.Context) {
	said := false
	sweep(ctx, func() (left int) {
		for group, g := range c.groups {
			if syscall.Kill(-group, syscall.SIGKILL) != nil {
				delete(c.groups, group)
				continue
			}
			if left++; !said {
				c.log.Info("process group killed", "group", group, "execution_id", g.execution)
			}
		}
		if said = true; c.orders.Tag == "" {
			return left
		}
		strays := workerMark(c.orders.Tag).signal(syscall.SIGKILL, 0)
		if strays > 0 {
			c.log.Info("processes outside of their group killed", "number", strays)
		}
		return left + strays
	})
}
