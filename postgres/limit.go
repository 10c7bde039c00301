package postgres

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// own returns the pipelines of a filter that the caller of ctx may use, all that it may use
// where the filter has none, and nil without either.
func own(ctx context.Context, filter []hodei.PipelineID) []hodei.PipelineID {
	limit := hodei.PipelinesOf(ctx)
	switch {
	case len(limit) == 0:
		return filter
	case len(filter) == 0:
		return limit
	}
	return slices.DeleteFunc(append([]hodei.PipelineID{}, filter...), func(id hodei.PipelineID) bool { return !slices.Contains(limit, id) })
}

// ofPipeline selects the pipeline of a record with an id.
var ofPipeline = map[string]string{
	"pipeline":     `SELECT id FROM pipelines WHERE id = $1`,
	"job":          `SELECT pipeline_id FROM jobs WHERE id = $1`,
	"run":          `SELECT pipeline_id FROM runs WHERE id = $1`,
	"execution":    `SELECT pipeline_id FROM executions WHERE id = $1 AND pipeline_id IS NOT NULL`,
	"schedule":     `SELECT pipeline_id FROM schedules WHERE id = $1`,
	"hook":         `SELECT pipeline_id FROM hooks WHERE id = $1`,
	"notification": `SELECT pipeline_id FROM notifications WHERE id = $1`,
	"artifact":     `SELECT e.pipeline_id FROM artifacts a JOIN executions e ON e.id = a.execution_id WHERE a.id = $1 AND e.pipeline_id IS NOT NULL`,
	"cache":        `SELECT pipeline_id FROM caches WHERE id = $1`,
}

// PipelineOf returns the pipeline that a record belongs to, by the noun of the record and a
// reference to it. A record that does not exist or belongs to no pipeline is NOT_FOUND.
func (db *DB) PipelineOf(ctx context.Context, noun, ref string) (of hodei.PipelineID, err error) {
	var id any
	switch noun {
	case "pipeline":
		id, err = db.PipelineID(ctx, hodei.PipelineRef(ref))
	case "run":
		id, err = db.RunID(ctx, hodei.RunRef(ref))
	case "execution":
		id, err = db.ExecutionID(ctx, hodei.ExecutionRef(ref))
	case "job":
		id, err = parsed[hodei.JobID](ref)
	case "schedule":
		id, err = parsed[hodei.ScheduleID](ref)
	case "hook":
		id, err = parsed[hodei.HookID](ref)
	case "notification":
		id, err = parsed[hodei.NotificationID](ref)
	case "artifact":
		id, err = parsed[hodei.ArtifactID](ref)
	case "cache":
		id, err = parsed[hodei.CacheID](ref)
	default:
		return of, fmt.Errorf("find the pipeline of a %s: none has one", noun)
	}
	if err == nil {
		err = db.pool.QueryRow(ctx, ofPipeline[noun], id).Scan(&of)
	}
	if errors.Is(err, hodei.NotFound) || errors.Is(err, pgx.ErrNoRows) { // one message, whatever exists in other pipelines
		return of, hodei.Missing(noun, ref)
	}
	return of, failure("find pipeline", err)
}

func parsed[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](ref string) (id T, err error) {
	err = P(&id).UnmarshalText([]byte(ref))
	return id, err
}
