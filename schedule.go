package hodei

import "time"

// Schedule starts runs of a pipeline, or executions of a job, at planned times.
type Schedule struct {
	ID         ScheduleID `json:"id"`
	PipelineID PipelineID `json:"pipeline_id"`
	// Pipeline is the slug of the pipeline, null when it has none.
	Pipeline *string `json:"pipeline"`
	// JobID is the job that it executes; null when it starts runs of the pipeline.
	JobID *JobID `json:"job_id"`
	ScheduleSpec
	// Defined is true of a schedule in the definition of its pipeline.
	Defined bool `json:"defined"`
	// Paused starts nothing until it is resumed.
	Paused bool `json:"paused"`
	// PauseReason is PAUSED where a user paused it, FAILURES where its failures did.
	PauseReason *Reason `json:"pause_reason"`
	// NextAt is the next planned time, without jitter; null if it is paused or has none.
	NextAt *time.Time `json:"next_at"`
	// LastFire is its latest fire, null before the first.
	LastFire *Fire `json:"last_fire"`
	// Failures is the number of failures in a row.
	Failures  int       `json:"failures"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Anchor is what an interval counts from.
	Anchor time.Time `json:"-"`
}

// Fire is a planned time of a schedule: what it started, or why nothing.
type Fire struct {
	ScheduleID ScheduleID `json:"schedule_id"`
	// PlannedAt is the time that the schedule planned, without jitter. A user who
	// triggers a schedule plans the present.
	PlannedAt time.Time  `json:"planned_at"`
	Kind      FireKind   `json:"kind"`
	Status    FireStatus `json:"status"`
	// Reason is why nothing was started; null otherwise.
	Reason *Reason `json:"reason"`
	// Message has the details of the reason, if there are any.
	Message *string `json:"message"`
	// DecidedAt is when it was started or skipped; null while it waits.
	DecidedAt   *time.Time   `json:"decided_at"`
	RunID       *RunID       `json:"run_id"`
	RunNumber   *int         `json:"run_number"`
	ExecutionID *ExecutionID `json:"execution_id"`
	// Outcome is the final state of the run or the execution, null before its end.
	Outcome *string `json:"outcome"`
	// Count is the number of planned times that it stands for: more than 1 for times
	// missed in a long outage or a pause, of which it is the first.
	Count int `json:"count"`
}

// FireKind is why there is a fire.
type FireKind string

const (
	FirePlanned  FireKind = "planned"  // its time came
	FireManual   FireKind = "manual"   // a user triggered the schedule
	FireBackfill FireKind = "backfill" // a user asked for a time of the past
)

// FireStatus is the state of a fire.
type FireStatus string

const (
	FireWaiting FireStatus = "WAITING" // for the end of what the schedule started before
	FireStarted FireStatus = "STARTED" // it has a run or an execution
	FireSkipped FireStatus = "SKIPPED" // nothing was started; see the reason
)

// FireTransitions lets a SKIPPED fire become WAITING, for a backfill.
var FireTransitions = Transitions[FireStatus]{
	FireWaiting: {FireStarted, FireSkipped},
	FireSkipped: {FireWaiting},
	FireStarted: {},
}

// Actions of a schedule whose last run has not ended, and for times that it missed.
const (
	OverlapSkip   = "skip"
	OverlapQueue  = "queue"
	OverlapAllow  = "allow"
	OverlapCancel = "cancel"

	CatchUpNone = "none"
	CatchUpLast = "last"
	CatchUpAll  = "all"
)

// SameTimes reports whether two schedules plan the same times, if they are equally old.
func (s ScheduleSpec) SameTimes(other ScheduleSpec) bool {
	every := func(s ScheduleSpec) float64 {
		if s.EverySeconds == nil {
			return 0
		}
		return *s.EverySeconds
	}
	return s.Cron == other.Cron && every(s) == every(other) && s.At == other.At && s.Timezone == other.Timezone
}
