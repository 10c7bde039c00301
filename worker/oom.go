package worker

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
)

// deathsTogether is how far apart two deaths may be noticed that the kernel
// caused at once.
const deathsTogether = 5 * time.Second

// oomKills is the kernel's count of processes killed for want of memory. It is
// read at the start, and again only when a command died in a way that may have
// been this: other runs cost nothing.
//
// The count does not say who was killed. Each kill answers for one death, so of
// two deaths and one kill the first to be noticed gets it. And a kill that ended
// no command, because its parent went on, answers for the next command that
// somebody else kills with KILL.
type oomKills struct {
	path string // "" where the system does not tell

	mu    sync.Mutex
	seen  int64
	spare int64 // of the last look's, those that no death has been put to
	at    time.Time
}

// newOOMKills begins to count. The root is that of /proc and /sys.
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

// struck reports whether a death noticed now was the kernel's doing.
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

// suspicious reports whether a command that ended by itself may have been
// killed for want of memory: by KILL, of which a shell tells with 137.
func suspicious(end hodei.Outcome) bool {
	return end.Signal != nil && *end.Signal == "SIGKILL" || end.ExitCode != nil && *end.ExitCode == 128+9
}

// oomSources are the files that may hold the count, the best first: of the
// worker's own control group, in which commands are unless they leave it, in
// version 2 and then 1, and of the whole machine. In a container the path of a
// group may be one that is only seen outside.
func oomSources(root string) (paths []string) {
	text, _ := os.ReadFile(filepath.Join(root, "/proc/self/cgroup")) // empty where there is none
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
