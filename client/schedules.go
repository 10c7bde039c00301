package client

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// CreateSchedule creates a schedule of a pipeline or a job.
func (c *Client) CreateSchedule(ctx context.Context, req schemas.CreateScheduleRequest) (hodei.Schedule, error) {
	return call(ctx, c, schemas.CreateSchedule, req)
}

// GetSchedule returns a schedule, or NOT_FOUND.
func (c *Client) GetSchedule(ctx context.Context, req schemas.GetScheduleRequest) (hodei.Schedule, error) {
	return call(ctx, c, schemas.GetSchedule, req)
}

// ListSchedules returns a page of schedules, newest first.
func (c *Client) ListSchedules(ctx context.Context, req schemas.ListSchedulesRequest) (schemas.List[hodei.Schedule], error) {
	return call(ctx, c, schemas.ListSchedules, req)
}

// UpdateSchedule changes the given fields of a schedule.
func (c *Client) UpdateSchedule(ctx context.Context, req schemas.UpdateScheduleRequest) (hodei.Schedule, error) {
	return call(ctx, c, schemas.UpdateSchedule, req)
}

// DeleteSchedule deletes a schedule; what it started goes on.
func (c *Client) DeleteSchedule(ctx context.Context, req schemas.DeleteScheduleRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteSchedule, req)
}

// PauseSchedule pauses a schedule.
func (c *Client) PauseSchedule(ctx context.Context, req schemas.PauseScheduleRequest) (hodei.Schedule, error) {
	return call(ctx, c, schemas.PauseSchedule, req)
}

// ResumeSchedule resumes a schedule.
func (c *Client) ResumeSchedule(ctx context.Context, req schemas.ResumeScheduleRequest) (hodei.Schedule, error) {
	return call(ctx, c, schemas.ResumeSchedule, req)
}

// PauseSchedules pauses all schedules, or those of a pipeline.
func (c *Client) PauseSchedules(ctx context.Context, req schemas.PauseSchedulesRequest) (schemas.ChangedSchedules, error) {
	return call(ctx, c, schemas.PauseSchedules, req)
}

// ResumeSchedules resumes all schedules, or those of a pipeline.
func (c *Client) ResumeSchedules(ctx context.Context, req schemas.ResumeSchedulesRequest) (schemas.ChangedSchedules, error) {
	return call(ctx, c, schemas.ResumeSchedules, req)
}

// TriggerSchedule starts now what a schedule starts.
func (c *Client) TriggerSchedule(ctx context.Context, req schemas.TriggerScheduleRequest) (hodei.Fire, error) {
	return call(ctx, c, schemas.TriggerSchedule, req)
}

// BackfillSchedule starts what a schedule would have started in the past.
func (c *Client) BackfillSchedule(ctx context.Context, req schemas.BackfillScheduleRequest) (schemas.Fires, error) {
	return call(ctx, c, schemas.BackfillSchedule, req)
}

// NextFires returns the next planned times of a schedule.
func (c *Client) NextFires(ctx context.Context, req schemas.NextFiresRequest) (schemas.PlannedTimes, error) {
	return call(ctx, c, schemas.NextFires, req)
}

// ListFires returns a page of the fires of a schedule, the latest first.
func (c *Client) ListFires(ctx context.Context, req schemas.ListFiresRequest) (schemas.List[hodei.Fire], error) {
	return call(ctx, c, schemas.ListFires, req)
}
