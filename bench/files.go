package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// files measures artifacts: a large file that one job leaves and another receives, the memory
// of the roles meanwhile, and many small files.
func files(ctx context.Context, b *bench) (rows []row, err error) {
	size, small := int64(b.scale(2<<30, 256<<20)), 10_000
	from := filepath.Join(b.dir, "large")
	if err := randomFile(from, size); err != nil {
		return nil, err
	}
	defer os.Remove(from)
	r, err := b.servers(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.spread(ctx, b, 1, 1); err != nil {
		return nil, err
	}
	feed, err := followRuns(r.nats)
	if err != nil {
		return nil, err
	}
	defer feed.nc.Close()
	large := handed("/bin/cp "+from+" data && sync data", "data")
	many := handed(fmt.Sprintf(`mkdir data; i=0; while [ $i -lt %d ]; do echo $i > data/$i; i=$((i+1)); done`, small), "data/")
	if err := errors.Join(r.define(ctx, "large", large), r.define(ctx, "many", many)); err != nil {
		return nil, err
	}
	m := fileTimes{size: size, small: small, memory: map[string][]float64{}}
	for turn := range b.turns {
		written, read, err := plainCopy(ctx, r.nats, from)
		if err != nil {
			return nil, err
		}
		idle := r.residents()
		out, err := r.handOver(ctx, feed, "large", turn+1)
		if err != nil {
			return nil, err
		}
		for name, peak := range r.peaks() {
			m.memory[name] = append(m.memory[name], (peak-idle[name])/(1<<20))
		}
		mb := float64(size) / 1e6
		m.up.limit, m.up.hodei = append(m.up.limit, mb/written.Seconds()), append(m.up.hodei, mb/out.left.Seconds())
		m.down.limit, m.down.hodei = append(m.down.limit, mb/read.Seconds()), append(m.down.hodei, mb/out.received.Seconds())
		if out, err = r.handOver(ctx, feed, "many", turn+1); err != nil {
			return nil, err
		}
		m.manyUp.hodei = append(m.manyUp.hodei, float64(small)/out.left.Seconds())
		m.manyDown.hodei = append(m.manyDown.hodei, float64(small)/out.received.Seconds())
	}
	return m.rows(), nil
}

// fileTimes are the turns of files.
type fileTimes struct {
	size                       int64 // of the large file, in bytes
	small                      int   // number of small files
	up, down, manyUp, manyDown series
	memory                     map[string][]float64 // MiB above idle, of each role
}

func (m *fileTimes) rows() []row {
	what := fmt.Sprintf("%d MiB of random bytes in one file, ", m.size>>20)
	note := "the limit is the same bytes from file to file by NATS request/reply, in the same chunks"
	rows := []row{
		m.up.fill(row{Scenario: "files, upload", What: what + "packed, uploaded and verified", Unit: "MB/s", AtLeast: 0.5, Aim: 0.8, Note: note}),
		m.down.fill(row{Scenario: "files, download", What: what + "downloaded, verified and unpacked", Unit: "MB/s", AtLeast: 0.5, Aim: 0.8, Note: note}),
		m.manyUp.fill(row{Scenario: "files, many", What: fmt.Sprintf("%d small files, packed and uploaded", m.small), Unit: "/s"}),
		m.manyDown.fill(row{Scenario: "files, many", What: fmt.Sprintf("%d small files, downloaded and unpacked", m.small), Unit: "/s"}),
	}
	for _, name := range []string{"worker", "artifacts"} {
		rows = append(rows, row{Scenario: "files, memory", What: what + "peak memory of " + name + " above idle", Unit: "MiB", Lower: true,
			Hodei: spreadOf(m.memory[name]), AtLeast: 64, Aim: 48})
	}
	return rows
}

// randomFile makes a file that does not compress.
func randomFile(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(file, rand.NewChaCha8([32]byte{1}), size)
	return errors.Join(err, file.Sync(), file.Close(), os.Chmod(path, 0o644))
}

// handed are two jobs of which the first leaves files that the second receives.
func handed(script, paths string) map[string]any {
	return map[string]any{
		"leave": map[string]any{"command": script + "\necho made", "artifacts": []any{map[string]any{"name": "data", "paths": []string{paths}}}},
		"take":  map[string]any{"command": []string{program}, "needs": []string{"leave"}},
	}
}

// handOver is how long an artifact takes.
type handOver struct {
	left, received time.Duration
}

// handOver runs the two jobs, and returns the times from the lines of their logs.
func (r *roles) handOver(ctx context.Context, f *runFeed, slug string, number int) (out handOver, err error) {
	if err := r.system.start(ctx, slug); err != nil {
		return out, err
	}
	if _, err := f.wait(ctx, 1); err != nil {
		return out, fmt.Errorf("%s: %w\n%s", slug, err, r.words())
	}
	at := func(job, text string) (at time.Time, err error) {
		body, err := get(ctx, r.executionURL(slug, number, job)+"/logs?format=json")
		if err != nil {
			return at, err
		}
		var log struct {
			Items []struct {
				Timestamp time.Time `json:"timestamp"`
				Line      string    `json:"line"`
			} `json:"items"`
		}
		if err := json.Unmarshal(body, &log); err != nil {
			return at, err
		}
		for _, line := range log.Items {
			if strings.HasPrefix(line.Line, text) {
				return line.Timestamp, nil
			}
		}
		return at, fmt.Errorf("the log of %s has no line %q: %s", job, text, body)
	}
	made, err1 := at("leave", "made")
	left, err2 := at("leave", "hodei: artifact data: ")
	received, err3 := at("take", "hodei: received the artifact")
	if err := errors.Join(err1, err2, err3); err != nil {
		return out, err
	}
	body, err := get(ctx, r.executionURL(slug, number, "take"))
	if err != nil {
		return out, err
	}
	var take struct {
		StartedAt time.Time `json:"started_at"`
	}
	if err := json.Unmarshal(body, &take); err != nil {
		return out, err
	}
	return handOver{left.Sub(made), received.Sub(take.StartedAt)}, nil
}

func (r *roles) executionURL(slug string, number int, job string) string {
	return r.bases[0] + "/api/v1/executions/" + url.PathEscape(fmt.Sprintf("%s#%d/%s", slug, number, job))
}

// residents are the resident bytes of the roles. Their peaks begin anew.
func (r *roles) residents() map[string]float64 {
	out := map[string]float64{}
	for _, p := range r.procs {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0) // otherwise the peak includes the start
		out[p.name] = status(p, "VmRSS:")
	}
	return out
}

// peaks are the most resident bytes of the roles since residents.
func (r *roles) peaks() map[string]float64 {
	out := map[string]float64{}
	for _, p := range r.procs {
		out[p.name] = status(p, "VmHWM:")
	}
	return out
}

// status returns bytes of proc(5).
func status(p *proc, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)) // 0 if it has ended
	_, rest, _ := strings.Cut(string(text), name)
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseFloat(kb, 64)
	return n * 1024
}
