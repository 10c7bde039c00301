package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// The operations on schedules, which the orchestrator answers.
var (
	CreateSchedule = declare[CreateScheduleRequest, hodei.Schedule](Op{
		Name: "schedules.create", Role: hodei.Operator, Limit: "pipeline_id,job_id", Service: Orchestrator, Method: "POST", Path: "/schedules", Status: 201, Creates: true,
		Summary: "Create a schedule that starts runs of a pipeline, or executions of a job", Errors: []hodei.Code{hodei.NotFound},
		Description: "Give pipeline_id or job_id, and one of cron, every_seconds and at. A cron schedule is in the local time of its timezone: a time " +
			"that a change of the clock skips fires at the first instant after the gap, and one that comes twice fires once.",
	})
	GetSchedule = declare[GetScheduleRequest, hodei.Schedule](Op{
		Name: "schedules.get", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/schedules/{id}",
		Summary: "Get a schedule", Errors: []hodei.Code{hodei.NotFound},
	})
	ListSchedules = declare[ListSchedulesRequest, List[hodei.Schedule]](Op{
		Name: "schedules.list", Role: hodei.Viewer, Limit: LimitOwn, Service: Orchestrator, Method: "GET", Path: "/schedules",
		Summary: "List schedules, newest first",
	})
	UpdateSchedule = declare[UpdateScheduleRequest, hodei.Schedule](Op{
		Name: "schedules.update", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "PATCH", Path: "/schedules/{id}",
		Summary: "Update the given fields of a schedule", Errors: []hodei.Code{hodei.NotFound},
		Description: "A field left out keeps its value, null clears it. A new time replaces the old one: cron clears every_seconds and at. " +
			"A schedule in a definition has the fields of the definition again when that is applied with changes.",
	})
	DeleteSchedule = declare[DeleteScheduleRequest, Empty](Op{
		Name: "schedules.delete", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "DELETE", Path: "/schedules/{id}", Status: 204,
		Summary: "Delete a schedule with the record of its fires; what it started goes on", Errors: []hodei.Code{hodei.NotFound},
	})
	PauseSchedule = declare[PauseScheduleRequest, hodei.Schedule](Op{
		Name: "schedules.pause", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/schedules/{id}/pause",
		Summary: "Pause a schedule: it starts nothing until it is resumed", Errors: []hodei.Code{hodei.NotFound},
		Description: "Fires that wait for the run before them are skipped. A schedule that is paused stays so.",
	})
	ResumeSchedule = declare[ResumeScheduleRequest, hodei.Schedule](Op{
		Name: "schedules.resume", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/schedules/{id}/resume",
		Summary: "Resume a schedule: it fires at its next planned time", Errors: []hodei.Code{hodei.NotFound},
		Description: "The planned times that the pause prevented are recorded as one fire with a count; backfill starts them.",
	})
	PauseSchedules = declare[PauseSchedulesRequest, ChangedSchedules](Op{
		Name: "schedules.pause_all", Role: hodei.Operator, Limit: "pipeline_id", Service: Orchestrator, Method: "POST", Path: "/schedules/pause",
		Summary: "Pause all schedules, or those of a pipeline",
	})
	ResumeSchedules = declare[ResumeSchedulesRequest, ChangedSchedules](Op{
		Name: "schedules.resume_all", Role: hodei.Operator, Limit: "pipeline_id", Service: Orchestrator, Method: "POST", Path: "/schedules/resume",
		Summary: "Resume all schedules, or those of a pipeline",
	})
	TriggerSchedule = declare[TriggerScheduleRequest, hodei.Fire](Op{
		Name: "schedules.trigger", Role: hodei.Developer, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/schedules/{id}/trigger", Status: 201, Creates: true,
		Summary: "Start now what a schedule starts", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "It starts at once, even if the schedule is paused or what it started before has not ended. If nothing could be started, " +
			"the fire is SKIPPED and has the reason.",
	})
	BackfillSchedule = declare[BackfillScheduleRequest, Fires](Op{
		Name: "schedules.backfill", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/schedules/{id}/backfill", Status: 201, Creates: true,
		Summary: "Start what a schedule would have started in a range of the past", Errors: []hodei.Code{hodei.NotFound},
		Description: "Planned times that started something are left out, so nothing happens twice. The others start one after the other, each when " +
			"the one before it has ended; pausing the schedule skips those that still wait. At most 1000 planned times.",
	})
	NextFires = declare[NextFiresRequest, PlannedTimes](Op{
		Name: "schedules.next", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/schedules/{id}/next",
		Summary: "List the next planned times of a schedule, as if it were not paused", Errors: []hodei.Code{hodei.NotFound},
	})
	ListFires = declare[ListFiresRequest, List[hodei.Fire]](Op{
		Name: "schedules.fires", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/schedules/{id}/fires",
		Summary: "List the planned times that have come, each with what it started or why nothing; the latest first", Errors: []hodei.Code{hodei.NotFound},
		Description: "The last 10,000 of 90 days are kept.",
	})
)

// CreateScheduleRequest creates a schedule.
type CreateScheduleRequest struct {
	// PipelineID is the pipeline that is run; give it or job_id.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty"`
	// JobID is the job that is executed.
	JobID *hodei.JobID `json:"job_id,omitempty"`
	hodei.ScheduleSpec
}

// GetScheduleRequest names a schedule.
type GetScheduleRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
}

// ListSchedulesRequest asks for a page of schedules.
type ListSchedulesRequest struct {
	// PipelineID selects the schedules of that pipeline and its jobs, or of these, separated by commas.
	PipelineID OneOf[hodei.PipelineRef] `json:"pipeline_id,omitempty" in:"query" null:"true"`
	// JobID selects the schedules of that job, or of these, separated by commas.
	JobID OneOf[hodei.JobID] `json:"job_id,omitempty" in:"query" null:"true"`
	// Paused selects those that are paused, or those that are not.
	Paused *bool `json:"paused,omitempty" in:"query"`
	Created
	Page
}

// UpdateScheduleRequest changes a schedule.
type UpdateScheduleRequest struct {
	ID                 hodei.ScheduleID               `json:"id" in:"path"`
	Name               Patch[string]                  `json:"name,omitzero" null:"true" jsonschema:"maxLength=200"`
	Cron               Patch[string]                  `json:"cron,omitzero" null:"true" jsonschema:"maxLength=200"`
	EverySeconds       Patch[float64]                 `json:"every_seconds,omitzero" null:"true" jsonschema:"minimum=1,maximum=31536000"`
	At                 Patch[string]                  `json:"at,omitzero" null:"true"`
	Timezone           Patch[string]                  `json:"timezone,omitzero" null:"true" jsonschema:"maxLength=100"`
	Params             Patch[map[string]hodei.Scalar] `json:"params,omitzero" null:"true"`
	Overlap            Patch[string]                  `json:"overlap,omitzero" jsonschema:"enum=skip,enum=queue,enum=allow,enum=cancel"`
	Definition         Patch[string]                  `json:"definition,omitzero" jsonschema:"enum=applied,enum=repository"`
	CatchUp            Patch[string]                  `json:"catch_up,omitzero" jsonschema:"enum=none,enum=last,enum=all"`
	JitterSeconds      Patch[float64]                 `json:"jitter_seconds,omitzero" null:"true" jsonschema:"minimum=0,maximum=86400"`
	PauseAfterFailures Patch[int]                     `json:"pause_after_failures,omitzero" null:"true" jsonschema:"minimum=0,maximum=1000"`
	Paused             Patch[bool]                    `json:"paused,omitzero"`
}

// Apply changes the schedule. A new time replaces the old one.
func (r UpdateScheduleRequest) Apply(s *hodei.Schedule) {
	if given := r.Cron.Value != nil || r.EverySeconds.Value != nil || r.At.Value != nil; given {
		s.Cron, s.EverySeconds, s.At = "", nil, ""
	}
	s.Name, s.Cron, s.At = orZero(r.Name, s.Name), orZero(r.Cron, s.Cron), orZero(r.At, s.At)
	s.EverySeconds, s.Timezone = r.EverySeconds.OrNull(s.EverySeconds), orZero(r.Timezone, s.Timezone)
	s.Params, s.JitterSeconds = orZero(r.Params, s.Params), r.JitterSeconds.OrNull(s.JitterSeconds)
	s.Overlap, s.CatchUp, s.Definition = r.Overlap.Or(s.Overlap), r.CatchUp.Or(s.CatchUp), r.Definition.Or(s.Definition)
	s.PauseAfterFailures, s.Paused = orZero(r.PauseAfterFailures, s.PauseAfterFailures), r.Paused.Or(s.Paused)
}

// orZero is the new value, the zero value for null, or the old one.
func orZero[T any](p Patch[T], old T) T {
	if p.Set && p.Value == nil {
		var zero T
		return zero
	}
	return p.Or(old)
}

// DeleteScheduleRequest names the schedule to delete.
type DeleteScheduleRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
}

// PauseScheduleRequest names the schedule to pause.
type PauseScheduleRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
}

// ResumeScheduleRequest names the schedule to resume.
type ResumeScheduleRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
}

// PauseSchedulesRequest pauses several schedules.
type PauseSchedulesRequest struct {
	// PipelineID selects the schedules of that pipeline and its jobs; all if left out.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty"`
}

// ResumeSchedulesRequest resumes several schedules.
type ResumeSchedulesRequest struct {
	// PipelineID selects the schedules of that pipeline and its jobs; all if left out.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty"`
}

// ChangedSchedules is the number of schedules that changed.
type ChangedSchedules struct {
	Changed int `json:"changed"`
}

// TriggerScheduleRequest names the schedule to fire.
type TriggerScheduleRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
}

// BackfillScheduleRequest selects planned times of the past.
type BackfillScheduleRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
	// From is the start of the range, which is part of it.
	From time.Time `json:"from"`
	// To is the end of the range, which is not part of it; now if left out.
	To *time.Time `json:"to,omitempty"`
}

// MaxBackfill is the most planned times of one backfill.
const MaxBackfill = 1000

// Fires are planned times with what became of them.
type Fires struct {
	Items []hodei.Fire `json:"items"`
}

// NextFiresRequest asks for planned times of the future.
type NextFiresRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
	// N is the number of planned times; 5 if left out.
	N int `json:"n,omitempty" in:"query" jsonschema:"minimum=1,maximum=1000"`
	// Until leaves out planned times from then on.
	Until *time.Time `json:"until,omitempty" in:"query"`
}

// PlannedTimes are planned times, without jitter, the next one first.
type PlannedTimes struct {
	Items []time.Time `json:"items"`
}

// ListFiresRequest asks for a page of fires.
type ListFiresRequest struct {
	ID hodei.ScheduleID `json:"id" in:"path"`
	// Status leaves only the fires in one of these states, in any case, separated by commas.
	Status OneOf[hodei.FireStatus] `json:"status,omitempty" in:"query" null:"true"`
	Page
}
