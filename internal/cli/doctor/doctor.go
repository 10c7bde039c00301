package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// finding is the result of one check.
type finding struct {
	Check string `json:"check"`
	// State is "ok", "warn" or "fail".
	State string `json:"state"`
	Found string `json:"found"`
	// Do is the remedy, "" for none.
	Do string `json:"do,omitempty"`
}

// doctor collects findings.
type doctor struct {
	*session.Session
	findings []finding
}

func (d *doctor) ok(check, format string, args ...any) {
	d.findings = append(d.findings, finding{check, "ok", fmt.Sprintf(format, args...), ""})
}

func (d *doctor) warn(check, do, format string, args ...any) {
	d.findings = append(d.findings, finding{check, "warn", fmt.Sprintf(format, args...), do})
}

func (d *doctor) fail(check, do, format string, args ...any) {
	d.findings = append(d.findings, finding{check, "fail", fmt.Sprintf(format, args...), do})
}

// NewDoctor is the command `hodei doctor`.
func NewDoctor(p *session.Flags) *cobra.Command {
	return p.Command(&cobra.Command{
		Use: "doctor", Short: "Diagnose problems and name the remedy", Args: cobra.NoArgs,
		Annotations: map[string]string{"output": "table json yaml"},
		Long: `Diagnose problems and name the remedy: the connection, the services and their
database, free disk space, versions, clocks, workers that are silent, a queue that
does not move.
Over NATS it also checks the streams, their configuration and their disk, and the
workers' clocks. The exit status is 1 if a check fails.`,
		Example: "  hodei doctor\n  hodei doctor --nats nats://127.0.0.1:4222",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		d := &doctor{Session: s}
		if err := d.examine(ctx); err != nil {
			return err
		}
		body, err := json.Marshal(map[string]any{"items": d.findings})
		if err != nil {
			return err
		}
		if err := session.Present(s, "doctor", body, func(struct{}) error { return d.show() }); err != nil {
			return err
		}
		for _, f := range d.findings {
			if f.State == "fail" {
				return cmdline.ExitStatus(1)
			}
		}
		return nil
	})
}

func (d *doctor) examine(ctx context.Context) error {
	began := time.Now()
	o, err := observe(ctx, d.Session)
	if err != nil {
		return err // unreachable; the error names the remedy
	}
	d.ok("connection", "%s answers, in %s", d.At, time.Since(began).Round(time.Millisecond))
	d.services(o)
	d.stores(o)
	d.versions(ctx, o)
	if o.known("streams") { // over NATS the server's clock is that of JetStream
		d.clocks(ctx)
	}
	if o.Fleet != nil {
		d.fleet(o)
	}
	if o.Queue != nil {
		d.waiting(o)
	}
	switch {
	case d.NATS == nil:
		d.ok("streams", "skipped over HTTP; use --nats to check their configuration and disk")
	case o.known("streams"):
		d.jetstream(ctx, o.Streams)
	}
	d.unknown(o)
	return nil
}

// unknown lists the requests that failed. That this caller may not ask is no failure of the system.
func (d *doctor) unknown(o overview) {
	for _, f := range o.failed {
		const format = "not known: %s"
		switch why := render.OneLine(f.err); {
		case !errors.Is(f.err, hodei.Forbidden):
			d.fail(f.what, "read the log of the service that answers this", format, why)
		case f.what == "streams":
			d.warn(f.what, "use a user of NATS that reaches JetStream: in the URL of --nats, or by hodei context add --nats-context", format, why)
		default:
			d.warn(f.what, "ask with a token that is not limited to pipelines", format, why)
		}
	}
}

func (d *doctor) services(o overview) {
	before := len(d.findings)
	for _, name := range slices.Sorted(maps.Keys(o.Checks)) {
		word, report := o.Checks[name], d.fail
		if service, _, _ := strings.Cut(name, "."); service == schemas.Artifacts { // an installation may lack it
			report = d.warn
		}
		if word != schemas.CheckOK && name != schemas.Scheduler+".workers" && !explained(o.Checks, name) {
			report(name, remedy(name), "%s", render.Plain(word))
		}
	}
	if len(d.findings) == before {
		d.ok("services", "all ready, with their database")
	}
}

// explained reports whether another check names the problem of the service.
func explained(checks map[string]string, service string) bool {
	for name, word := range checks {
		if strings.HasPrefix(name, service+".") && word != schemas.CheckOK {
			return true
		}
	}
	return false
}

// remedy returns the remedy for a failed check.
func remedy(check string) string {
	service, what, _ := strings.Cut(check, ".")
	switch what {
	case "disk":
		return "free some space there; executions are accepted again at once"
	case "postgres":
		return "see whether Postgres runs and its disk has space, and read its log"
	case "streams":
		return "see whether the disk of NATS has space, and read its log; the streams recover within seconds of that"
	}
	if service == schemas.Artifacts {
		return "start it with hodei artifacts, or read its log; without it no job keeps or receives files, caches or a source"
	}
	return "start it, or read its log; it needs NATS and its own --database-url"
}

// stores lists the space of the disks that are known.
func (d *doctor) stores(o overview) {
	var all []string
	for _, s := range o.Stores {
		all = append(all, s.Name+" "+render.Size(uint64(s.FreeBytes)))
	}
	if len(all) > 0 {
		d.ok("disk space", "free: %s", strings.Join(all, ", "))
	}
}

// versions compares the version of this command with that of every component.
func (d *doctor) versions(ctx context.Context, o overview) {
	mine, other := cmdline.Version(), map[string]int{}
	for _, w := range o.workers {
		if v := session.NameOf(w.Version); v != mine {
			other["worker "+render.OrNone(&v)]++
		}
	}
	for name, v := range d.serviceVersions(ctx) {
		if v != mine {
			other[name+" "+v]++
		}
	}
	for what, n := range other {
		d.warn("versions", "upgrade what is older; one minor version apart is fine while you do", "%d × %s, while this is %s", n, render.Plain(what), mine)
	}
	if len(other) == 0 && o.Fleet != nil {
		d.ok("versions", "all components run %s", mine)
	}
}

const (
	// late is how long a worker may be silent before a person should know;
	// its lease is 15 s.
	late = 20 * time.Second
	// stuck is how long an execution may wait before it is worth a look.
	stuck = 5 * time.Minute
	// skewed is how far apart clocks may be: deadlines are seconds.
	skewed = 2 * time.Second
)

func (d *doctor) fleet(o overview) {
	workers := o.workers
	if len(workers) == 0 {
		d.warn("workers", "start one: hodei worker --nats URL --type TYPE", "no workers: all executions will wait")
		return
	}
	wrong := 0
	for _, w := range workers {
		name := render.OrNone(w.Name)
		switch {
		case w.Status == hodei.WorkerOffline:
			wrong++
			d.warn("workers", "see whether it runs and reaches NATS; "+d.Hint("worker show %s", w.ID), "%s is OFFLINE, last seen %s ago", name, d.Seen(w))
		case w.LastSeenAt != nil && d.Now().Sub(*w.LastSeenAt) > late:
			wrong++
			d.warn("workers", "see whether it runs and reaches NATS; "+d.Hint("worker show %s", w.ID), "%s last reported %s ago", name, d.Seen(w))
		case w.Blocked != nil:
			wrong++
			d.warn("workers", "it accepts work again by itself", "%s accepts nothing: %s", name, render.Plain(*w.Blocked))
		}
	}
	if word := o.Checks[schemas.Scheduler+".workers"]; word != "" && word != schemas.CheckOK {
		d.fail("workers", d.Hint("worker ls")+" shows them", "nothing can be scheduled: %s", render.Plain(word))
		return
	}
	if wrong == 0 {
		d.ok("workers", "%s, all reporting", render.Count(len(workers), "worker"))
	}
}

func (d *doctor) waiting(o overview) {
	oldest := time.Duration(o.Queue.OldestSeconds * float64(time.Second))
	if oldest < stuck {
		d.ok("queue", "%s", waiting(d.Session, o))
		return
	}
	do := d.Hint("queue") + " shows each with its reason"
	if len(o.queue.Items) > 0 {
		do = d.Hint("explain %s", o.queue.Items[0].ExecutionID)
	}
	d.warn("queue", do, "%s", waiting(d.Session, o))
}

func (d *doctor) show() error {
	var rows [][]string
	for _, f := range d.findings {
		rows = append(rows, []string{session.Status(d.Session, f.State), f.Check, f.Found})
		if f.Do != "" {
			rows = append(rows, []string{"", "", "→ " + f.Do})
		}
	}
	return d.Advice([]string{"", "check", "found"}, rows)
}
