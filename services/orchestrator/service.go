package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/disk"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// Config configures an Orchestrator. NATS and DB are required.
type Config struct {
	NATS    *nats.Conn
	DB      *postgres.DB
	Version string
	Log     *slog.Logger
	// Disks guards the stores that run in this process: executions are refused while
	// one lacks space. nil for none.
	Disks *disk.Guard
}

// Orchestrator is one instance of the service.
type Orchestrator struct {
	nc      *nats.Conn
	db      *postgres.DB
	log     *slog.Logger
	svc     *rpc.Service
	disks   *disk.Guard
	crowded atomic.Int64 // no placement is tried until this time, in Unix nanoseconds
	full    atomic.Int64 // queue refuses executions until this time, in Unix nanoseconds
	stats   lastStats
}

// New returns an instance that is idle until Run.
func New(cfg Config) *Orchestrator {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	o := &Orchestrator{nc: cfg.NATS, db: cfg.DB, log: cfg.Log, disks: cfg.Disks}
	o.svc = rpc.New(rpc.Config{
		NATS: cfg.NATS, Name: schemas.Orchestrator, Version: cfg.Version, Log: cfg.Log,
		Description: "Pipelines, jobs, runs and their triggers", Once: cfg.DB.Once, Audit: cfg.DB.Audit, PipelineOf: cfg.DB.PipelineOf, CallerKey: cfg.DB.CallerKey,
	})
	o.handlePipelines()
	o.handleTriggers()
	o.handleJobs()
	rpc.Handle(o.svc, schemas.GetStats, o.getStats)
	rpc.Handle(o.svc, schemas.OrchestratorHealth, o.health)
	rpc.Handle(o.svc, schemas.GetSchema, o.getSchema)
	return o
}

func (o *Orchestrator) handlePipelines() {
	rpc.Handle(o.svc, schemas.CreatePipeline, o.createPipeline)
	rpc.Handle(o.svc, schemas.GetPipeline, o.getPipeline)
	rpc.Handle(o.svc, schemas.ListPipelines, o.listPipelines)
	rpc.Handle(o.svc, schemas.UpdatePipeline, o.updatePipeline)
	rpc.Handle(o.svc, schemas.DeletePipeline, o.deletePipeline)
	rpc.Handle(o.svc, schemas.ApplyPipeline, o.applyPipeline)
	rpc.Handle(o.svc, schemas.GetDefinition, o.getDefinition)
	rpc.Handle(o.svc, schemas.ExecutePipeline, o.executePipeline)
	rpc.Handle(o.svc, schemas.GetRun, o.getRun)
	rpc.Handle(o.svc, schemas.ListRuns, o.listRuns)
	rpc.Handle(o.svc, schemas.CancelRun, o.cancelRun)
	rpc.Handle(o.svc, schemas.RerunRun, o.rerunRun)
	rpc.Handle(o.svc, schemas.ApproveRun, o.approveRun)
	rpc.Handle(o.svc, schemas.RejectRun, o.rejectRun)
}

func (o *Orchestrator) handleTriggers() {
	rpc.Handle(o.svc, schemas.CreateSchedule, o.createSchedule)
	rpc.Handle(o.svc, schemas.GetSchedule, o.getSchedule)
	rpc.Handle(o.svc, schemas.ListSchedules, o.listSchedules)
	rpc.Handle(o.svc, schemas.UpdateSchedule, o.updateSchedule)
	rpc.Handle(o.svc, schemas.DeleteSchedule, o.deleteSchedule)
	rpc.Handle(o.svc, schemas.PauseSchedule, o.pauseSchedule)
	rpc.Handle(o.svc, schemas.ResumeSchedule, o.resumeSchedule)
	rpc.Handle(o.svc, schemas.PauseSchedules, o.pauseSchedules)
	rpc.Handle(o.svc, schemas.ResumeSchedules, o.resumeSchedules)
	rpc.Handle(o.svc, schemas.TriggerSchedule, o.triggerSchedule)
	rpc.Handle(o.svc, schemas.BackfillSchedule, o.backfillSchedule)
	rpc.Handle(o.svc, schemas.NextFires, o.nextFires)
	rpc.Handle(o.svc, schemas.ListFires, o.listFires)
	rpc.Handle(o.svc, schemas.CreateHook, o.createHook)
	rpc.Handle(o.svc, schemas.GetHook, o.getHook)
	rpc.Handle(o.svc, schemas.ListHooks, o.listHooks)
	rpc.Handle(o.svc, schemas.DeleteHook, o.deleteHook)
	rpc.Handle(o.svc, schemas.ListDeliveries, o.listDeliveries)
	rpc.Handle(o.svc, schemas.Redeliver, o.redeliver)
	rpc.Handle(o.svc, schemas.ApproveDelivery, o.approveDelivery)
	rpc.Handle(o.svc, schemas.RejectDelivery, o.rejectDelivery)
	rpc.Handle(o.svc, schemas.ReceiveHook, o.receiveHook)
}

func (o *Orchestrator) handleJobs() {
	rpc.Handle(o.svc, schemas.CreateJob, o.createJob)
	rpc.Handle(o.svc, schemas.GetJob, o.getJob)
	rpc.Handle(o.svc, schemas.ListJobs, o.listJobs)
	rpc.Handle(o.svc, schemas.UpdateJob, o.updateJob)
	rpc.Handle(o.svc, schemas.DeleteJob, o.deleteJob)
	rpc.Handle(o.svc, schemas.ExecuteJob, o.executeJob)
	rpc.Handle(o.svc, schemas.CreateExecution, o.createExecution)
	rpc.Handle(o.svc, schemas.Execute, o.execute)
	rpc.Handle(o.svc, schemas.GetExecution, o.getExecution)
	rpc.Handle(o.svc, schemas.ListExecutions, o.listExecutions)
	rpc.Handle(o.svc, schemas.CancelExecution, o.cancelExecution)
	rpc.Handle(o.svc, schemas.RetryExecution, o.retryExecution)
}

// Run answers requests until ctx is done and those in flight are answered.
func (o *Orchestrator) Run(ctx context.Context) error {
	full, err := rpc.OnSignal(o.nc, schemas.QueueFullSubject, func() {
		o.full.Store(time.Now().Add(schemas.QueueFullFor).UnixNano())
	})
	if err != nil {
		return fmt.Errorf("follow the queue: %w", err)
	}
	defer full.Unsubscribe()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return o.svc.Run(ctx) })
	for _, rows := range []due.Rows{o.retries(), o.runs(), o.schedules(), o.delayed(), o.deliveries()} {
		g.Go(func() error {
			return rpc.Supervise(ctx, o.log, rows.Name, func(ctx context.Context) error { return rows.Run(ctx, o.nc, o.log) })
		})
	}
	return g.Wait()
}

// Ready is closed once the service answers.
func (o *Orchestrator) Ready() <-chan struct{} { return o.svc.Ready() }

// Health is that of this instance.
func (o *Orchestrator) Health(ctx context.Context) schemas.Health {
	health, _ := o.health(ctx, schemas.Empty{}) // it never fails
	return health
}

func (o *Orchestrator) health(ctx context.Context, _ schemas.Empty) (schemas.Health, error) {
	required := rpc.Checks{"postgres": o.db.Check}
	if o.disks != nil {
		required["disk"] = func(context.Context) error { return o.disks.Check() }
	}
	health := rpc.Health(ctx, required, nil)
	for _, s := range o.disks.Spaces() {
		health.Stores = append(health.Stores, schemas.Store{Name: s.Name, FreeBytes: s.Free, MinFreeBytes: s.Floor})
	}
	return health, nil
}

func (o *Orchestrator) getSchema(_ context.Context, req schemas.GetSchemaRequest) (schemas.SchemaDocument, error) {
	body, err := schemas.JSONSchema(req.Name)
	if err != nil {
		return schemas.SchemaDocument{}, hodei.Missing("schema", req.Name)
	}
	return schemas.SchemaDocument{Schema: body}, nil
}
