package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// announced is a notification to record.
type announced struct {
	run    hodei.Run
	event  hodei.NotifyEvent
	notice hodei.Notice
	target hodei.NotifyTarget
	// recovered makes the event NotifyRecovered if the previous run failed. Otherwise the event
	// above counts, or none if it is empty.
	recovered bool
}

// queueNotifications records the notifications about the decisions of a step.
func queueNotifications(batch *pgx.Batch, work []decided, out []Advanced) {
	var all []announced
	for i, w := range work {
		mine := announcements(w)
		out[i].Notifies = len(mine) > 0
		all = append(all, mine...)
	}
	if len(all) == 0 {
		return
	}
	queueRecoveries(batch, all)
	queueAnnounced(batch, all)
}

// announcements returns the notifications of one run, in order.
func announcements(w decided) (all []announced) {
	if len(w.run.Plan.Notify) == 0 {
		return nil
	}
	add := func(event hodei.NotifyEvent, blocked *hodei.RunJob) {
		for _, spec := range w.run.Plan.Notify {
			recovered := event == hodei.NotifyCompleted && spec.Wants(hodei.NotifyRecovered)
			own := event
			if !spec.Wants(event) {
				own = ""
			}
			if own == "" && !recovered {
				continue
			}
			for _, target := range spec.Targets() {
				if target.Kind.OfCommit() {
					if w.run.Commit == nil {
						continue
					}
					target.Commit = *w.run.Commit
				}
				all = append(all, announced{*w.run, own, hodei.NoticeOf(*w.run, blocked), target, recovered})
			}
		}
	}
	if w.run.StartedAt != nil && (w.was == "" || w.was == hodei.RunPending) {
		add(hodei.NotifyStarted, nil)
	}
	for _, j := range w.steps.Changed {
		if j.Status == hodei.JobBlocked {
			add(hodei.NotifyBlocked, j)
		}
	}
	if w.run.Status.Ended() && (w.was == "" || !w.was.Ended()) {
		add(endEvent(w.run.Status), nil)
	}
	return all
}

func endEvent(s hodei.RunStatus) hodei.NotifyEvent {
	switch s {
	case hodei.RunCompleted:
		return hodei.NotifyCompleted
	case hodei.RunCancelled:
		return hodei.NotifyCancelled
	}
	return hodei.NotifyFailed
}

// queueRecoveries serializes the ends of runs of a pipeline that may have recovered, so only one
// of them is the first. All transactions take the locks in the same order.
func queueRecoveries(batch *pgx.Batch, all []announced) {
	var pipelines []string
	for _, a := range all {
		if a.recovered {
			pipelines = append(pipelines, a.run.PipelineID.String())
		}
	}
	slices.Sort(pipelines)
	for _, id := range slices.Compact(pipelines) {
		batch.Queue(`SELECT pg_advisory_xact_lock(hashtextextended('hodei recovered ' || $1, 0))`, id)
	}
}

// queueAnnounced records notifications. A run has recovered if the run before it that
// completed or failed, of the same pipeline and ref, has failed. Of runs that end in one step,
// those later in the list come after.
func queueAnnounced(batch *pgx.Batch, all []announced) {
	n := len(all)
	ids, pipelines, runs := make([]hodei.NotificationID, n), make([]hodei.PipelineID, n), make([]hodei.RunID, n)
	refs, events, recovered, notices := make([]*string, n), make([]string, n), make([]bool, n), make([]hodei.Notice, n)
	kinds, addresses, shown, secrets, queues := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, a := range all {
		ids[i], pipelines[i], runs[i] = NewID[hodei.NotificationID](), a.run.PipelineID, a.run.ID
		refs[i], events[i], recovered[i], notices[i] = a.run.Ref, string(a.event), a.recovered, a.notice
		kinds[i], addresses[i], shown[i] = string(a.target.Kind), a.target.Address, a.target.Shown()
		secrets[i], queues[i] = a.target.Secret, a.target.Queue()
	}
	batch.Queue(`WITH a AS (SELECT * FROM ROWS FROM (unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bool[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]),
					jsonb_array_elements($12::jsonb)) WITH ORDINALITY
				AS a(id, pipeline_id, run_id, ref, wanted, recovers, kind, address, target, secret, queue, notice, n)),
			d AS (SELECT a.*, CASE WHEN a.recovers AND (
				SELECT r.status <> 'COMPLETED' FROM runs r
				WHERE r.pipeline_id = a.pipeline_id AND coalesce(r.ref, '') = coalesce(a.ref, '') AND r.status IN ('COMPLETED', 'FAILED', 'TIMED_OUT')
					AND NOT EXISTS (SELECT FROM a AS later WHERE later.run_id = r.id AND later.n >= a.n)
				ORDER BY r.number DESC LIMIT 1) THEN $13 ELSE a.wanted END AS event FROM a)
		INSERT INTO notifications (id, pipeline_id, run_id, event, kind, address, target, secret, queue, notice)
		SELECT id, pipeline_id, run_id, event, kind, address, target, secret, queue, notice FROM d WHERE event <> '' ORDER BY n`,
		ids, pipelines, runs, refs, events, recovered, kinds, addresses, shown, secrets, queues, notices, hodei.NotifyRecovered)
}
