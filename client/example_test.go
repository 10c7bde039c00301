package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// A pipeline with a job, executed and waited for.
func Example() {
	ctx := context.Background()
	c := client.HTTP(exampleSystem().api) // "http://127.0.0.1:8080"

	pipeline, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "demo"})
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.CreateJob(ctx, schemas.CreateJobRequest{
		PipelineID: hodei.RefTo(pipeline.ID),
		RunRequest: schemas.RunRequest{Command: &hodei.Command{Args: []string{"echo", "hello"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	started, err := c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job.ID})
	if err != nil {
		log.Fatal(err)
	}
	ended, err := c.Wait(ctx, started.ExecutionID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ended.Status, *ended.ExitCode, "after", ended.LogCount, "line")
	// Output: COMPLETED 0 after 1 line
}

// The same methods without HTTP. The caller owns the connection.
func ExampleNATS() {
	nc, err := nats.Connect(exampleSystem().nats) // nats.DefaultURL
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	c := client.NATS(nc)

	health, err := c.Health(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(health.Ready, health.Checks["scheduler"])
	// Output: true ok
}

// Lines arrive as the command writes them; the loop ends with the command.
func ExampleClient_Logs() {
	ctx := context.Background()
	c := client.HTTP(exampleSystem().api)

	run, err := c.Execute(ctx, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{
		Command: &hodei.Command{Shell: "echo one; echo two"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for line, err := range c.Logs(ctx, schemas.FollowLogsRequest{ID: hodei.RefTo(run.ID), Follow: true}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(line.Sequence, line.Stream, line.Line)
	}
	// Output:
	// 1 stdout one
	// 2 stdout two
}

// All records, read page by page.
func ExampleClient_AllWorkers() {
	c := client.HTTP(exampleSystem().api)
	for w, err := range c.AllWorkers(context.Background(), schemas.ListWorkersRequest{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(w.Type, w.TotalCapacity)
	}
	// Output: shell 2
}

// An error keeps its code across the network, and names its resource.
func ExampleClient_GetJob() {
	c := client.HTTP(exampleSystem().api)
	_, err := c.GetJob(context.Background(), schemas.GetJobRequest{ID: hodei.JobID{1}})

	var failed *hodei.Error
	fmt.Println(errors.Is(err, hodei.NotFound), errors.As(err, &failed))
	fmt.Println(failed.Message, failed.Resource)
	// Output:
	// true true
	// Job not found job
}

// Your own key makes a call safe to repeat, even from another process.
func ExampleWithIdempotencyKey() {
	c := client.HTTP(exampleSystem().api)
	ctx := client.WithIdempotencyKey(context.Background(), "order-4711")

	first, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "once"})
	if err != nil {
		log.Fatal(err)
	}
	again, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "once"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "another"})
	fmt.Println(first.ID == again.ID, errors.Is(err, hodei.Conflict))
	// Output: true true
}
