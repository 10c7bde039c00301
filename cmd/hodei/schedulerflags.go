package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/services/scheduler"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// schedulerFlags are how a scheduler orders the queue and chooses workers.
type schedulerFlags struct {
	ageing   cmdline.Duration
	maxQueue int
	weights  plan.Weights
}

func (f *schedulerFlags) add(flags *pflag.FlagSet) {
	f.ageing = cmdline.Duration(10 * time.Minute)
	flags.Var(&f.ageing, "priority-ageing", "waiting time that raises the priority by one level; 0: never")
	flags.IntVar(&f.maxQueue, "max-queue", 100_000, "limit of waiting executions; more are refused")
	flags.Float64Var(&f.weights.Load, "weight-load", plan.DefaultWeights.Load, "weight of a worker's free slots; only the ratio of the weights matters")
	flags.Float64Var(&f.weights.Latency, "weight-latency", plan.DefaultWeights.Latency, "weight of a worker's ack latency")
	flags.Float64Var(&f.weights.Success, "weight-success", plan.DefaultWeights.Success, "weight of a worker's success rate: it was not lost and could start its executions")
}

func (f *schedulerFlags) set(_ context.Context, cfg *system.Config) error {
	w, ageing := f.weights, time.Duration(f.ageing)
	switch {
	case w.Load < 0 || w.Latency < 0 || w.Success < 0 || w == plan.Weights{}:
		return cmdline.Usagef("--weight-load, --weight-latency and --weight-success must not be negative, nor all 0")
	case f.maxQueue < 1:
		return cmdline.Usagef("--max-queue must be at least 1")
	case ageing == 0:
		ageing = -1 // never; 0 is the default
	}
	cfg.Scheduler = &scheduler.Config{Weights: w, MaxQueue: f.maxQueue, Ageing: ageing}
	return nil
}
