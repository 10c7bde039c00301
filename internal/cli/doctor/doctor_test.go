package doctor

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
)

func newDoctor() *doctor {
	s, _, _ := printing()
	return &doctor{Session: s}
}

// only is the one finding that there is.
func only(t *testing.T, d *doctor) finding {
	t.Helper()
	require.Len(t, d.findings, 1, d.findings)
	f := d.findings[0]
	require.Equal(t, f.State != "ok", f.Do != "", "what is wrong comes with what to do: %v", f)
	return f
}

func TestDoctorOnServices(t *testing.T) {
	t.Parallel()
	d := newDoctor()
	d.services(overview{Ready: false, Checks: map[string]string{"nats": "ok", "scheduler": "No scheduler is running"}})
	require.Equal(t, "fail", only(t, d).State)
	require.Contains(t, d.findings[0].Found, "No scheduler")
}

// TestDoctorOnArtifacts: an installation may run without the service, so its absence is a warning.
func TestDoctorOnArtifacts(t *testing.T) {
	t.Parallel()
	d := newDoctor()
	d.services(overview{Ready: true, Checks: map[string]string{"nats": "ok", "artifacts": "No artifacts is running"}})
	require.Equal(t, "warn", only(t, d).State)
	require.Contains(t, d.findings[0].Do, "hodei artifacts")
}

// TestDoctorOnFullDisks: the doctor names the problem of a service and the remedy.
func TestDoctorOnFullDisks(t *testing.T) {
	t.Parallel()
	d := newDoctor()
	d.services(overview{Checks: map[string]string{
		"nats": "ok", "orchestrator": "not ready", "orchestrator.disk": "The disk of NATS has 1 MiB free",
		"scheduler": "ok", "scheduler.workers": "no worker: 1 silent",
	}})
	f := only(t, d)
	require.Equal(t, "orchestrator.disk", f.Check)
	require.Contains(t, f.Found, "The disk of NATS")
	require.Contains(t, f.Do, "free some space")

	d = newDoctor()
	d.stores(overview{Stores: []schemas.Store{{Name: "Postgres", FreeBytes: 3 << 30}, {Name: "NATS", FreeBytes: 1 << 20}}})
	require.Equal(t, "free: Postgres 3.0 GiB, NATS 1.0 MiB", only(t, d).Found)

	d = newDoctor()
	w := hodei.Worker{Name: new("w"), Status: hodei.WorkerAvailable, LastSeenAt: new(noon), Blocked: new("its disk has 1 MiB free")}
	d.fleet(overview{workers: []hodei.Worker{w}, Checks: map[string]string{"scheduler.workers": "no worker: 1 low on disk space"}})
	require.Len(t, d.findings, 2)
	require.Equal(t, "w accepts nothing: its disk has 1 MiB free", d.findings[0].Found)
	require.Equal(t, "nothing can be scheduled: no worker: 1 low on disk space", d.findings[1].Found)
	require.Equal(t, "fail", d.findings[1].State)
}

func TestDoctorOnVersions(t *testing.T) {
	t.Parallel()
	d := newDoctor()
	d.versions(t.Context(), overview{workers: []hodei.Worker{{Version: new(cmdline.Version())}, {Version: new("0.0.9")}, {Version: new("0.0.9")}}})
	require.Equal(t, "warn", only(t, d).State)
	require.Contains(t, d.findings[0].Found, "2 × worker 0.0.9")
}

func TestDoctorOnClocks(t *testing.T) {
	t.Parallel()
	for offset, want := range map[time.Duration]string{0: "ok", time.Second: "ok", time.Minute: "warn", -time.Minute: "warn"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "/healthz", r.URL.Path)
			w.Header().Set("Date", time.Now().Add(offset).UTC().Format(http.TimeFormat))
		}))
		d := newDoctor()
		d.URL, d.Now = srv.URL+"/", time.Now
		d.clocks(t.Context())
		require.Equal(t, want, only(t, d).State, offset)
		srv.Close()
	}
}

func TestDoctorOnWorkers(t *testing.T) {
	t.Parallel()
	reported := func(ago time.Duration, status hodei.WorkerStatus) hodei.Worker {
		return hodei.Worker{Name: new("w"), Status: status, LastSeenAt: new(noon.Add(-ago))}
	}
	for want, workers := range map[string][]hodei.Worker{
		"1 worker, all reporting":              {reported(time.Second, hodei.WorkerAvailable)},
		"w is OFFLINE, last seen 1h ago":       {reported(time.Hour, hodei.WorkerOffline), reported(0, hodei.WorkerBusy)},
		"w last reported 30s ago":              {reported(30*time.Second, hodei.WorkerBusy)},
		"no workers: all executions will wait": nil,
	} {
		d := newDoctor()
		d.fleet(overview{workers: workers})
		require.Equal(t, want, only(t, d).Found)
	}
}

func TestDoctorOnTheQueue(t *testing.T) {
	t.Parallel()
	queue := schemas.QueueList{Total: 1, Items: []schemas.QueueEntry{{Reason: "no worker of type rust"}}}
	for age, want := range map[float64]string{1: "ok", 3600: "warn"} {
		d := newDoctor()
		d.waiting(overview{Queue: &queueFacts{Waiting: 1, OldestSeconds: age}, queue: queue})
		require.Equal(t, want, only(t, d).State)
		require.Contains(t, d.findings[0].Found, "no worker of type rust")
	}
	require.Contains(t, func() string {
		d := newDoctor()
		d.waiting(overview{Queue: &queueFacts{Waiting: 1, OldestSeconds: 3600}, queue: queue})
		return d.findings[0].Do
	}(), "hodei explain exec_")
}

// limited is a session with a token that is limited to pipelines.
func limited(t *testing.T) (s *session.Session, out *bytes.Buffer) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"status":"ok","checks":{"nats":"ok","scheduler":"ok"}}`
		if strings.HasPrefix(r.URL.Path, "/api/") {
			w.WriteHeader(http.StatusForbidden)
			body = `{"error":"FORBIDDEN","message":"The token is limited to pipelines"}`
		}
		_, err := w.Write([]byte(body))
		require.NoError(t, err)
	}))
	t.Cleanup(srv.Close)
	s, out, _ = printing()
	s.Client, s.URL, s.Now = client.HTTP(srv.URL), srv.URL, time.Now
	return s, out
}

// TestDoctorWithALimitedToken: a request that is forbidden leads to no diagnosis.
func TestDoctorWithALimitedToken(t *testing.T) {
	t.Parallel()
	s, _ := limited(t)
	d := &doctor{Session: s}
	require.NoError(t, d.examine(t.Context()))
	found := map[string]finding{}
	for _, f := range d.findings {
		require.NotEqual(t, "fail", f.State, f)
		found[f.Check] = f
	}
	require.Equal(t, "ok", found["services"].State)
	require.NotContains(t, found, "versions")
	for _, check := range []string{"workers", "queue"} {
		require.Equal(t, finding{check, "warn", "not known: The token is limited to pipelines", "ask with a token that is not limited to pipelines"}, found[check])
	}
}

// TestStatusWithALimitedToken: a request that is forbidden leaves a dash, and the system ready.
func TestStatusWithALimitedToken(t *testing.T) {
	t.Parallel()
	s, out := limited(t)
	o, err := observe(t.Context(), s)
	require.NoError(t, err)
	require.True(t, o.Ready)
	require.NoError(t, showOverview(s, o))
	require.Regexp(t, `Fleet +-\n *Queue +-\n`, out.String())
	body, err := json.Marshal(o)
	require.NoError(t, err)
	require.Contains(t, string(body), `"fleet":null,"queue":null`)
}

// TestDoctorWithoutJetStream: a user of NATS that must not ask JetStream gets no "ok", and does not wait.
func TestDoctorWithoutJetStream(t *testing.T) {
	t.Parallel()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
		Users: []*server.User{{Username: "ana", Password: "x", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"hodei.v1.>"}}}}},
	})
	require.NoError(t, err)
	srv.Start()
	t.Cleanup(srv.Shutdown)
	require.True(t, srv.ReadyForConnections(time.Minute))
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo("ana", "x"))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	began := time.Now()
	_, err = streams(nc)
	require.ErrorIs(t, err, hodei.Forbidden)
	require.Less(t, time.Since(began), answers)

	d := newDoctor()
	o := overview{Ready: true}
	o.miss("streams", err)
	d.unknown(o)
	f := only(t, d)
	require.Equal(t, "warn", f.State)
	require.Contains(t, f.Found, "a token of a person never does")
	require.Contains(t, f.Do, "--nats-context")
}

// Streams that are gone, changed or fallen behind are found.
func TestDoctorOnStreams(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	d := newDoctor()
	d.Client, d.NATS = client.NATS(nc), nc
	examine := func() map[string]string {
		d.findings = nil
		streams, err := streams(nc)
		require.NoError(t, err)
		d.jetstream(t.Context(), streams)
		states := map[string]string{}
		for _, f := range d.findings {
			states[f.Check] = f.State
		}
		return states
	}
	require.Equal(t, map[string]string{"streams": "ok", "disk": "ok", "worker clocks": "ok"}, examine())

	bucket, err := js.KeyValue(t.Context(), schemas.WorkersBucket)
	require.NoError(t, err)
	body, err := hodei.JSON(hodei.Availability{At: time.Now().Add(-time.Minute)})
	require.NoError(t, err)
	_, err = bucket.Put(t.Context(), hodei.WorkerID{1}.String(), body)
	require.NoError(t, err)
	require.Equal(t, "warn", examine()["worker clocks"])

	stream, err := js.Stream(t.Context(), schemas.LogStream)
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	cfg.Subjects = []string{"elsewhere.*"}
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, "fail", examine()["streams"])
	require.Contains(t, d.findings[0].Found, "does not take execution.log.*.*")

	require.NoError(t, js.DeleteStream(t.Context(), schemas.LogStream))
	require.Equal(t, "fail", examine()["streams"])
	require.Contains(t, d.findings[0].Found, "EXECUTION_LOGS is missing")
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// printing is a session at noon that prints into memory.
func printing() (s *session.Session, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	s = session.Printing(out, errs, "")
	s.Now = func() time.Time { return noon }
	return s, out, errs
}
