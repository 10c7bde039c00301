package rpc

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// BenchmarkDecode validates and decodes the requests that every execution
// causes. The first two have a route and use their schemas.
func BenchmarkDecode(b *testing.B) {
	eid, wid := hodei.ExecutionID(uuid.Must(uuid.NewV7())), hodei.WorkerID(uuid.Must(uuid.NewV7()))
	jid, pid := hodei.JobID(uuid.Must(uuid.NewV7())), hodei.PipelineID(uuid.Must(uuid.NewV7()))
	five := 5
	spec := hodei.Spec{Command: hodei.Command{Shell: "true"}, Environment: map[string]string{"PATH": "/usr/bin", "A": "b", "C": "d"}, Priority: 5, Requirements: hodei.Requirements{Capacity: 1}}
	now := time.Now().UTC()
	place := schemas.PlaceRequest{ExecutionID: eid, JobID: &jid, PipelineID: &pid, Spec: spec}
	for _, c := range []struct {
		op  *schemas.Op
		req any
		to  any
	}{
		{schemas.Schedule.Op, schemas.ScheduleRequest{ExecutionID: new(hodei.RefTo(eid)), Brief: true, JobConfig: &schemas.JobConfig{Requirements: &hodei.Requirements{Capacity: 1}, Priority: &five}}, new(schemas.ScheduleRequest)},
		{schemas.AssignExecutions.Op, schemas.AssignExecutionsRequest{WorkerID: wid, ExecutionIDs: []hodei.ExecutionID{eid}}, new(schemas.AssignExecutionsRequest)},
		{schemas.PlaceExecution.Op, place, new(schemas.PlaceRequest)},
		{schemas.StartExecution.Op, schemas.StartRequest{PlaceRequest: place, WorkerID: wid}, new(schemas.StartRequest)},
		{schemas.FinishExecutions.Op, schemas.FinishRequest{WorkerID: wid, Ends: []schemas.End{{ExecutionID: eid, Outcome: hodei.Outcome{Status: hodei.Completed, StartedAt: &now, CompletedAt: now, ExitCode: new(int), LogCount: 5, LogDigest: 1 << 60, Resources: &hodei.Resources{PeakMemoryBytes: 1 << 20}}}}, Free: 3, Revision: 77}, new(schemas.FinishRequest)},
		{schemas.RequestExecutions.Op, schemas.OfferRequest{Offers: []schemas.ExecutionRequest{{ExecutionID: eid, JobID: &jid, PipelineID: &pid, Attempt: 1, Spec: spec, Incarnation: uuid.NewString(), Deadline: now}}}, new(schemas.OfferRequest)},
		{schemas.ReadLogs.Op, schemas.ReadLogsRequest{ID: eid, After: 5}, new(schemas.ReadLogsRequest)},
	} {
		v, err := newValidator(c.op)
		if err != nil {
			b.Fatal(err)
		}
		body, _ := hodei.JSON(c.req)
		b.Run(c.op.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := v.decode(body, c.to); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
