package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// footprint measures the cost of an idle `hodei up`.
func footprint(ctx context.Context, b *bench) ([]row, error) {
	var cold, warm, memory, processor []float64
	for range b.turns {
		c, w, idle, err := b.coldAndWarm(ctx)
		if err != nil {
			return nil, err
		}
		cold, warm = append(cold, c.Seconds()), append(warm, w.Seconds())
		memory = append(memory, float64(idle.memory)/1e6)
		processor = append(processor, 100*float64(idle.own)/float64(b.rest()))
	}
	info, err := os.Stat(b.hodei)
	if err != nil {
		return nil, err
	}
	one := func(what, unit string, values []float64, atLeast, aim float64) row {
		return row{Scenario: "footprint", What: what, Unit: unit, Lower: true, Hodei: spreadOf(values), AtLeast: atLeast, Aim: aim}
	}
	return []row{
		one("ready, cold: an empty directory", "s", cold, 4, 2.5),
		one("ready, warm: its own directory again", "s", warm, 2, 1),
		one("memory of up when idle, without Postgres", "MB", memory, 120, 60),
		one("processor of up when idle, of one core, without Postgres", "%", processor, 1, 0.2),
		one("size of the binary", "MB", []float64{float64(info.Size()) / 1e6}, 45, 45),
	}, nil
}

// rest is how long an idle system is observed.
func (b *bench) rest() time.Duration { return time.Duration(b.scale(30, 10)) * time.Second }

// settle is the pause after the start of a system.
const settle = 5 * time.Second

func (b *bench) coldAndWarm(ctx context.Context) (cold, warm time.Duration, idle usage, err error) {
	dir, err := os.MkdirTemp(b.dir, "up")
	if err != nil {
		return 0, 0, idle, err
	}
	defer os.RemoveAll(dir)
	h, err := b.up(ctx, dir)
	if err != nil {
		return 0, 0, idle, err
	}
	cold = h.ready
	if err := h.stop(); err != nil {
		return 0, 0, idle, err
	}
	if h, err = b.up(ctx, dir); err != nil {
		return 0, 0, idle, err
	}
	warm = h.ready
	time.Sleep(settle)
	before := usageOf(h.cmd.Process.Pid)
	time.Sleep(b.rest())
	idle = usageOf(h.cmd.Process.Pid).since(before)
	return cold, warm, idle, errors.Join(h.stop())
}
