package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

func examplesOfSchedules(all map[*Op]example) {
	id := mustID[hodei.ScheduleID]("sched_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3c91")
	fire := hodei.Fire{
		ScheduleID: id, PlannedAt: at("02:00:00"), Kind: hodei.FirePlanned, Status: hodei.FireStarted, DecidedAt: ptr(at("02:00:00")),
		RunID: &runID, RunNumber: ptr(42), Outcome: ptr("COMPLETED"), Count: 1,
	}
	spec := hodei.ScheduleSpec{Name: "nightly", Cron: "0 3 * * 1-5", Timezone: "Europe/Madrid", Params: map[string]hodei.Scalar{"env": "staging"}}
	s := hodei.Schedule{
		ID: id, PipelineID: pipelineID, Pipeline: ptr("shop"), ScheduleSpec: spec, NextAt: ptr(time.Date(2024, 1, 16, 2, 0, 0, 0, time.UTC)),
		LastFire: &fire, CreatedAt: noon, UpdatedAt: noon,
	}
	fresh, paused := s, s
	fresh.LastFire = nil
	paused.Paused, paused.PauseReason, paused.NextAt = true, ptr(hodei.ReasonPaused), nil
	hourly := s
	hourly.Cron = "@hourly"
	missed := fire
	missed.PlannedAt, missed.Status, missed.Reason, missed.RunID, missed.RunNumber, missed.Outcome = at("01:00:00"), hodei.FireSkipped, ptr(hodei.ReasonMissed), nil, nil, nil
	manual := fire
	manual.Kind, manual.PlannedAt, manual.DecidedAt, manual.Outcome = hodei.FireManual, noon, &noon, nil
	waits := hodei.Fire{ScheduleID: id, PlannedAt: at("02:00:00"), Kind: hodei.FireBackfill, Status: hodei.FireWaiting, Count: 1}
	show(all, CreateSchedule, CreateScheduleRequest{PipelineID: ptr(hodei.RefTo(pipelineID)), ScheduleSpec: spec}, fresh)
	show(all, GetSchedule, GetScheduleRequest{ID: id}, s)
	show(all, ListSchedules, ListSchedulesRequest{PipelineID: Any(hodei.RefTo(pipelineID))}, page(s))
	show(all, UpdateSchedule, UpdateScheduleRequest{ID: id, Cron: to("@hourly")}, hourly)
	show(all, DeleteSchedule, DeleteScheduleRequest{ID: id}, Empty{})
	show(all, PauseSchedule, PauseScheduleRequest{ID: id}, paused)
	show(all, ResumeSchedule, ResumeScheduleRequest{ID: id}, s)
	show(all, PauseSchedules, PauseSchedulesRequest{PipelineID: ptr(hodei.RefTo(pipelineID))}, ChangedSchedules{Changed: 3})
	show(all, ResumeSchedules, ResumeSchedulesRequest{}, ChangedSchedules{Changed: 12})
	show(all, TriggerSchedule, TriggerScheduleRequest{ID: id}, manual)
	show(all, BackfillSchedule, BackfillScheduleRequest{ID: id, From: at("00:00:00"), To: &noon}, Fires{Items: []hodei.Fire{waits}})
	show(all, NextFires, NextFiresRequest{ID: id, N: 2}, PlannedTimes{Items: []time.Time{*s.NextAt, s.NextAt.AddDate(0, 0, 1)}})
	show(all, ListFires, ListFiresRequest{ID: id, Page: Page{Limit: 2}}, page(fire, missed))
}
