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

	"github.com/nats-io/jsm.go/api"
	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/kv/check"
	"github.com/hodei-jobs/hodei/schemas"
)

// overview is the whole system in one look.
type overview struct {
	At      string            `json:"at"`
	Context string            `json:"context,omitempty"`
	Ready   bool              `json:"ready"`
	Checks  map[string]string `json:"checks"`
	Stores  []schemas.Store   `json:"stores,omitempty"`
	// Streams are known over NATS only.
	Streams []streamFacts `json:"streams,omitempty"`
	// Fleet and Queue are null if their request failed.
	Fleet   *fleetFacts `json:"fleet"`
	Queue   *queueFacts `json:"queue"`
	Errors  []string    `json:"errors,omitempty"` // failed requests
	failed  []failure   // the same
	queue   schemas.QueueList
	workers []hodei.Worker
}

// failure is a request that failed. What it is about is not known.
type failure struct {
	what string
	err  error
}

type fleetFacts struct {
	Workers  int                        `json:"workers"`
	ByStatus map[hodei.WorkerStatus]int `json:"by_status"`
	Free     int                        `json:"free_slots"`
	Slots    int                        `json:"slots"`
	Running  int                        `json:"running"`
}

type queueFacts struct {
	Waiting       int     `json:"waiting"`
	OldestSeconds float64 `json:"oldest_seconds"`
}

type streamFacts struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"` // -1: unlimited
	// Problems are the thresholds in the metadata of the stream that it exceeds.
	Problems []string `json:"problems,omitempty"`
	info     *api.StreamInfo
}

// NewStatus is the command `hodei status`.
func NewStatus(p *session.Flags) *cobra.Command {
	return p.Listing(&cobra.Command{
		Use: "status", Short: "Show services, database, streams, fleet and queue at a glance", Args: cobra.NoArgs,
		Annotations: map[string]string{"output": "table json yaml"},
		Long: `Show services, database, streams, fleet and queue at a glance. Over NATS it also
shows the size of the streams. The exit status is 5 if a component does not
answer; hodei doctor names the remedy.`,
		Example: "  hodei status\n  hodei status --watch\n  hodei status --nats nats://127.0.0.1:4222",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		o, err := observe(ctx, s)
		if err != nil {
			return err
		}
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		if err := session.Present(s, "status", body, func(overview) error { return showOverview(s, o) }); err != nil {
			return err
		}
		if !o.Ready {
			return cmdline.ExitStatus(cmdline.ExitCode(hodei.Unavailable))
		}
		return nil
	})
}

// observe collects everything. It fails only when the system does not answer.
func observe(ctx context.Context, s *session.Session) (o overview, err error) {
	health, err := s.Health(ctx)
	if err != nil {
		return o, err
	}
	o = overview{At: s.At, Context: s.Context, Ready: health.Ready, Checks: health.Checks, Stores: health.Stores}
	if err := o.readFleet(ctx, s); err != nil {
		o.miss("workers", err)
	}
	if err := o.readQueue(ctx, s); err != nil {
		o.miss("queue", err)
	}
	if s.NATS != nil {
		if o.Streams, err = streams(s.NATS); err != nil {
			o.miss("streams", err)
		}
	}
	return o, nil
}

func (o *overview) readFleet(ctx context.Context, s *session.Session) error {
	fleet := fleetFacts{ByStatus: map[hodei.WorkerStatus]int{}}
	var workers []hodei.Worker
	for w, err := range s.AllWorkers(ctx, schemas.ListWorkersRequest{}) {
		if err != nil {
			return err
		}
		if w.Status == hodei.WorkerTerminated {
			continue // it left; it is history
		}
		workers = append(workers, w)
		fleet.count(w)
	}
	o.workers, o.Fleet = workers, &fleet
	return nil
}

func (o *overview) readQueue(ctx context.Context, s *session.Session) (err error) {
	if o.queue, err = s.GetQueue(ctx, schemas.GetQueueRequest{Limit: 1000}); err != nil {
		return err
	}
	o.Queue = &queueFacts{Waiting: o.queue.Total}
	for _, e := range o.queue.Items {
		o.Queue.OldestSeconds = max(o.Queue.OldestSeconds, e.AgeSeconds)
	}
	return nil
}

// miss records a request that failed. The system is not ready then, unless only this caller
// may not ask.
func (o *overview) miss(what string, err error) {
	o.Ready = o.Ready && errors.Is(err, hodei.Forbidden)
	o.failed = append(o.failed, failure{what, err})
	o.Errors = append(o.Errors, what+": "+render.OneLine(err))
}

// known reports whether no request about it failed.
func (o *overview) known(what string) bool {
	return !slices.ContainsFunc(o.failed, func(f failure) bool { return f.what == what })
}

func (f *fleetFacts) count(w hodei.Worker) {
	f.Workers++
	f.ByStatus[w.Status]++
	f.Running += w.Running
	if w.Status == hodei.WorkerAvailable || w.Status == hodei.WorkerBusy {
		f.Free += w.Capacity
		f.Slots += w.TotalCapacity
	}
}

// answers is how long JetStream may take to answer one question.
const answers = 5 * time.Second

// streams are the facts of the two streams and of the bucket. One that does not exist has
// no info.
func streams(nc *nats.Conn) (all []streamFacts, err error) {
	if err := admitted(nc); err != nil {
		return nil, err
	}
	found, err := check.Streams(nc, answers)
	for _, s := range found {
		f := streamFacts{Name: s.Name, Problems: s.Problems, info: s.Info}
		if s.Info != nil {
			f.Messages, f.Bytes, f.MaxBytes = s.Info.State.Msgs, s.Info.State.Bytes, s.Info.Config.MaxBytes
		}
		all = append(all, f)
	}
	return all, err
}

// admitted returns an error if the user of the connection must not ask JetStream. NATS refuses
// such a request without a reply, so each would take its whole timeout.
func admitted(nc *nats.Conn) error {
	const subject = "$JS.API.INFO"
	if err := nc.PublishRequest(subject, nc.NewRespInbox(), nil); err != nil {
		return err
	}
	if err := nc.FlushTimeout(answers); err != nil { // the refusal arrives before the answer to this
		return err
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), subject) {
		return hodei.Errorf(hodei.Forbidden, "this user of NATS does not reach JetStream; a token of a person never does")
	}
	return nil
}

func showOverview(s *session.Session, o overview) error {
	at := o.At
	if o.Context != "" {
		at += " (context " + o.Context + ")"
	}
	fields := []render.Field{{"System", at}}
	for _, name := range slices.Sorted(maps.Keys(o.Checks)) {
		fields = append(fields, render.Field{"  " + name, session.Status(s, render.Plain(o.Checks[name]))})
	}
	for _, f := range o.Stores {
		fields = append(fields, render.Field{"  disk of " + f.Name, render.Size(uint64(f.FreeBytes)) + " free"})
	}
	if len(o.Streams) > 0 {
		fields = append(fields, render.Field{"Streams", ""})
		for _, f := range o.Streams {
			fields = append(fields, render.Field{"  " + f.Name, f.String()})
		}
	}
	fields = append(fields, render.Field{"Fleet", fleet(o)}, render.Field{"Queue", waiting(s, o)})
	for _, e := range o.Errors {
		fields = append(fields, render.Field{"Not known", e})
	}
	return s.Record(fields...)
}

func (f streamFacts) String() string {
	if f.info == nil {
		return "missing"
	}
	text := fmt.Sprintf("%d messages, %s", f.Messages, render.Size(f.Bytes))
	if f.MaxBytes > 0 {
		text += " of " + render.Size(uint64(f.MaxBytes))
	}
	if len(f.Problems) > 0 {
		text += "; " + strings.Join(f.Problems, ", ")
	}
	return text
}

func fleet(o overview) string {
	if o.Fleet == nil {
		return render.None
	}
	return o.Fleet.String()
}

func (f fleetFacts) String() string {
	if f.Workers == 0 {
		return "no workers"
	}
	var states []string
	for _, status := range slices.Sorted(maps.Keys(f.ByStatus)) {
		states = append(states, fmt.Sprintf("%d %s", f.ByStatus[status], status))
	}
	return fmt.Sprintf("%s: %s; %d running, %d of %d slots free", render.Count(f.Workers, "worker"), strings.Join(states, ", "), f.Running, f.Free, f.Slots)
}

func waiting(s *session.Session, o overview) string {
	if o.Queue == nil {
		return render.None
	}
	if o.Queue.Waiting == 0 {
		return "queue is empty"
	}
	text := fmt.Sprintf("%d waiting, the oldest for %s", o.Queue.Waiting, render.Seconds(&o.Queue.OldestSeconds))
	if len(o.queue.Items) > 0 {
		text += "; first: " + render.Plain(o.queue.Items[0].Reason)
	}
	return text
}
