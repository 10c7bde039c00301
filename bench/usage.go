package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is the processor time and the memory of a process tree.
type usage struct {
	own      time.Duration // of Hodei's processes
	commands time.Duration // of their children
	postgres time.Duration // of its Postgres
	memory   int64         // resident bytes of Hodei's processes
}

// tick is the unit of /proc/<pid>/stat on every current Linux.
const tick = 10 * time.Millisecond

// process is the content of /proc for one process.
type process struct {
	pid, parent   int
	name          string
	own, children time.Duration
	resident      int64
}

// processes reads all processes; those that end meanwhile are left out.
func processes() []process {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	var list []process
	for _, path := range paths {
		text, err := os.ReadFile(path)
		open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		if err != nil || open < 0 || shut < open {
			continue
		}
		fields := strings.Fields(string(text[shut+1:]))
		if len(fields) < 22 {
			continue
		}
		number := func(i int) int64 { n, _ := strconv.ParseInt(fields[i], 10, 64); return n } // proc(5), counted from field 3
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:open])))
		list = append(list, process{
			pid: pid, parent: int(number(1)), name: string(text[open+1 : shut]),
			own:      time.Duration(number(11)+number(12)) * tick,
			children: time.Duration(number(13)+number(14)) * tick,
			resident: number(21) * int64(os.Getpagesize()),
		})
	}
	return list
}

// usageOf returns the usage of the processes and all their descendants.
func usageOf(roots ...int) (u usage) {
	in := map[int]bool{} // pid: whether it is Postgres
	for _, pid := range roots {
		in[pid] = false
	}
	list := processes()
	for grown := true; grown; {
		grown = false
		for _, p := range list {
			parentIs, below := in[p.parent]
			if _, known := in[p.pid]; below && !known {
				in[p.pid], grown = parentIs || p.name == "postgres", true
			}
		}
	}
	for _, p := range list {
		isPostgres, known := in[p.pid]
		switch {
		case !known:
		case isPostgres:
			u.postgres += p.own + p.children
		default:
			u.own += p.own
			u.commands += p.children
			u.memory += p.resident
		}
	}
	return u
}

// since returns the usage between two measurements.
func (u usage) since(before usage) usage {
	return usage{u.own - before.own, u.commands - before.commands, u.postgres - before.postgres, u.memory}
}

// share formats the share of one core that each part used.
func (u usage) share(of time.Duration) string {
	percent := func(d time.Duration) float64 { return 100 * float64(d) / float64(of) }
	return fmt.Sprintf("of one core, hodei used %.0f %%, its Postgres %.0f %%, the commands %.0f %%",
		percent(u.own), percent(u.postgres), percent(u.commands))
}
