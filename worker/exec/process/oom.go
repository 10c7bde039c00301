package process

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// deathsTogether is how far apart two deaths may be detected that the kernel
// caused at once.
const deathsTogether = 5 * time.Second

// oomKills is the kernel's count of OOM kills. It is read at the start, and
// again only when a command died in a way that may have been one, so other
// executions cost nothing.
//
// The count does not identify the killed process. Each kill explains one death,
// so of two deaths and one kill, the first one detected gets it. An OOM kill of
// a child process whose parent survives can be misattributed to the next
// command that dies of SIGKILL.
type oomKills struct {
	path string // "" if the system does not report it

	mu    sync.Mutex
	seen  int64
	spare int64 // kills of the last reading that no death has been attributed to
	at    time.Time
}

// newOOMKills starts to count. root is the parent of /proc and /sys.
func newOOMKills(root string) *oomKills {
	o := &oomKills{}
	for _, path := range oomSources(root) {
		if n, ok := readOOMKills(path); ok {
			o.path, o.seen = path, n
			break
		}
	}
	return o
}

// struck reports whether a death detected now was an OOM kill.
func (o *oomKills) struck(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n, ok := readOOMKills(o.path); ok && n > o.seen {
		o.spare, o.seen, o.at = n-o.seen, n, now
	} else if now.Sub(o.at) > deathsTogether {
		o.spare = 0
	}
	if o.spare == 0 {
		return false
	}
	o.spare--
	return true
}

// oomSources returns the files that may contain the count, the best first: of
// the worker's control group, in which commands are unless they leave it, in
// version 2 and then 1, and of the whole machine. In a container the path of a
// group may be visible only outside.
func oomSources(root string) (paths []string) {
	text, _ := os.ReadFile(filepath.Join(root, "/proc/self/cgroup")) // empty if there is none
	var v1 []string
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for _, group := range []string{fields[2], "/"} {
			if fields[1] == "" {
				paths = append(paths, filepath.Join(root, "/sys/fs/cgroup", group, "memory.events"),
					filepath.Join(root, "/sys/fs/cgroup/unified", group, "memory.events"))
			} else if slices.Contains(strings.Split(fields[1], ","), "memory") {
				v1 = append(v1, filepath.Join(root, "/sys/fs/cgroup/memory", group, "memory.oom_control"))
			}
		}
	}
	return append(append(paths, v1...), filepath.Join(root, "/proc/vmstat"))
}

// readOOMKills finds the line "oom_kill <n>", which all of these files have.
func readOOMKills(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
