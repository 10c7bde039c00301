package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/jsm.go/api"
	"github.com/nats-io/jsm.go/monitor"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

// gather is how long to wait for the answers of all services.
const gather = 500 * time.Millisecond

// serviceVersions are the versions of all service instances, none over HTTP.
func (d *doctor) serviceVersions(ctx context.Context) map[string]string {
	versions := map[string]string{}
	if d.NATS == nil {
		return versions
	}
	inbox := d.NATS.NewRespInbox()
	sub, err := d.NATS.SubscribeSync(inbox)
	if err != nil {
		return versions
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := d.NATS.PublishRequest(schemas.ServicePing, inbox, nil); err != nil {
		return versions
	}
	ctx, cancel := context.WithTimeout(ctx, gather)
	defer cancel()
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return versions
		}
		var who struct{ Name, ID, Version string }
		if json.Unmarshal(msg.Data, &who) == nil && slices.Contains(
			[]string{schemas.Orchestrator, schemas.Scheduler, schemas.WorkerManager, schemas.Edge, schemas.Artifacts}, who.Name) {
			versions[who.Name+" "+who.ID] = who.Version
		}
	}
}

// clocks compares this machine's clock with the server's, and over NATS the
// server's with each worker's.
func (d *doctor) clocks(ctx context.Context) {
	before := d.Now()
	theirs, precision, err := d.serverTime(ctx)
	middle := before.Add(d.Now().Sub(before) / 2)
	if err != nil {
		d.warn("clock", "see the other findings", "the server's clock is not known: %s", render.OneLine(err))
		return
	}
	if skew := theirs.Sub(middle).Abs(); skew > skewed+precision {
		d.warn("clock", "run NTP on both", "this machine and the server are %s apart", skew.Round(time.Millisecond))
	} else {
		d.ok("clock", "this machine and the server are within %s", (skew + precision).Round(time.Millisecond))
	}
}

// serverTime is the clock of the HTTP server, to a second, or of NATS.
func (d *doctor) serverTime(ctx context.Context) (at time.Time, precision time.Duration, err error) {
	if d.NATS != nil {
		js, err := jetstream.New(d.NATS)
		if err != nil {
			return at, 0, err
		}
		stream, err := js.Stream(ctx, schemas.EventStream)
		if err != nil {
			return at, 0, err
		}
		return stream.CachedInfo().TimeStamp, 0, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, strings.TrimRight(d.URL, "/")+"/healthz", nil)
	if err != nil {
		return at, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return at, 0, err
	}
	resp.Body.Close()
	at, err = http.ParseTime(resp.Header.Get("Date"))
	return at.Add(time.Second / 2), time.Second / 2, err // it is cut to the second
}

// jetstream examines the streams, their disk, and the clocks of the workers.
func (d *doctor) jetstream(ctx context.Context, streams []streamFacts) {
	healthy := len(streams) > 0
	for _, f := range streams {
		if !d.stream(f) {
			healthy = false
		}
	}
	if healthy {
		d.ok("streams", "configured, on disk, and within the thresholds in their metadata")
	}
	d.disk(streams)
	d.workerClocks(ctx)
}

// subjects are the required subjects of each stream.
var subjects = map[string][]string{
	schemas.LogStream: {schemas.LogSubjects}, schemas.EventStream: {schemas.EventSubjects, schemas.RunEventSubjects},
}

// stream reports whether nothing is wrong with one.
func (d *doctor) stream(f streamFacts) (healthy bool) {
	const again = "start a worker-manager again: it sets the streams up"
	before := len(d.findings)
	want, isStream := subjects[f.Name]
	switch {
	case f.info == nil:
		d.fail("streams", again, "%s is missing", f.Name)
		return false
	case isStream && slices.ContainsFunc(want, func(subject string) bool { return !slices.Contains(f.info.Config.Subjects, subject) }):
		d.fail("streams", again, "%s does not take %s but %v", f.Name, strings.Join(want, " and "), f.info.Config.Subjects)
	case f.info.Config.Storage != api.FileStorage:
		d.warn("streams", "nothing is lost that Postgres has; recreate it on file storage all the same", "%s is kept in memory", f.Name)
	case isStream && f.info.Config.Discard != api.DiscardOld:
		d.fail("streams", again, "%s refuses messages when it is full", f.Name)
	}
	if len(f.Problems) > 0 {
		d.warn("streams", "see whether every NATS server is up, with `nats server report jetstream`", "%s: %s", f.Name, strings.Join(f.Problems, ", "))
	}
	return len(d.findings) == before
}

// account are the shares of the limits of the JetStream account, in percent, beyond which
// the doctor warns and fails; -1 is none.
var account = monitor.CheckJetStreamAccountOptions{
	FileWarning: 80, FileCritical: 95, MemoryWarning: 80, MemoryCritical: 95, ConsumersWarning: 80, ConsumersCritical: 95,
	StreamWarning: -1, StreamCritical: -1,
}

// disk compares the storage of JetStream with its limits.
func (d *doctor) disk(streams []streamFacts) {
	const raise = "raise the limits of jetstream in nats.conf, or those of the account"
	mgr, err := jsm.New(d.NATS, jsm.WithTimeout(answers))
	if err != nil {
		return
	}
	used, err := mgr.JetStreamAccountInfo()
	if err != nil {
		d.warn("disk", "see whether JetStream is enabled for this account", "not known: %s", render.OneLine(err))
		return
	}
	var may int64
	for _, f := range streams {
		if f.MaxBytes > 0 {
			may += f.MaxBytes
		}
	}
	limits, result := account, monitor.Result{}
	limits.Resolver = func() *api.JetStreamAccountStats { return used }
	err = monitor.CheckJetStreamAccountWithConnection(mgr, &result, limits)
	stored, limit := render.Size(used.Store), used.Limits.MaxStore
	switch {
	case err != nil || len(result.Criticals) > 0:
		d.fail("disk", raise, "JetStream uses %s of its limits", strings.Join(result.Criticals, ", "))
	case len(result.Warnings) > 0:
		d.warn("disk", raise, "JetStream uses %s of its limits", strings.Join(result.Warnings, ", "))
	case limit > 0 && may > limit:
		d.warn("disk", raise, "the streams may grow to %s, and %s are allowed", render.Size(uint64(may)), render.Size(uint64(limit)))
	default:
		d.ok("disk", "%s used; the streams may grow to %s", stored, render.Size(uint64(max(may, 0))))
	}
}

// workerClocks compares the time of each lease by the worker's clock with the time at which
// NATS stored it.
func (d *doctor) workerClocks(ctx context.Context) {
	js, err := jetstream.New(d.NATS)
	if err != nil {
		return
	}
	bucket, err := js.KeyValue(ctx, schemas.WorkersBucket)
	if err != nil {
		return // that is a finding already
	}
	watch, err := bucket.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		d.warn("worker clocks", "see the other findings", "not known: %s", render.OneLine(err))
		return
	}
	defer func() { _ = watch.Stop() }()
	apart, seen := 0, 0
	for entry := range watch.Updates() {
		if entry == nil { // that is all for now
			break
		}
		var a hodei.Availability
		if json.Unmarshal(entry.Value(), &a) != nil {
			continue
		}
		seen++
		if skew := a.At.Sub(entry.Created()).Abs(); skew > skewed {
			apart++
			d.warn("worker clocks", "run NTP on it; deadlines of requests are seconds", "%s is %s apart from NATS", a.WorkerID, skew.Round(time.Millisecond))
		}
	}
	if apart == 0 {
		d.ok("worker clocks", "%s within %s of NATS", render.Count(seen, "worker"), skewed)
	}
}
