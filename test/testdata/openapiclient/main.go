// Program openapiclient makes the main flow with nothing but the client that
// an outside generator made of openapi.json: a pipeline, a job, its execution,
// its log. The generated client is api/; TestGeneratedClient makes it. This is
// a module of its own, so that what the generator needs is not needed by Hodei.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"openapiclient/api"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := flow(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// flow makes the requests of the main flow to a server.
func flow(ctx context.Context, server, path string) error {
	transport, err := newChecked(ctx, path)
	if err != nil {
		return err
	}
	c, err := api.NewClientWithResponses(server, api.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		return err
	}
	key := "the flow"
	pipeline, err := c.CreatePipelineWithResponse(ctx, &api.CreatePipelineParams{IdempotencyKey: &key}, api.CreatePipelineRequest{Name: "generated"})
	if err != nil {
		return err
	}
	if pipeline.JSON201 == nil {
		return fmt.Errorf("create pipeline: %s", pipeline.Body)
	}
	var command api.Command
	if err := command.FromCommand0("echo from a generated client"); err != nil {
		return err
	}
	job, err := c.CreateJobWithResponse(ctx, nil, api.CreateJobRequest{PipelineId: pipeline.JSON201.Id, Command: &command})
	if err != nil || job.JSON201 == nil {
		return fmt.Errorf("create job: %w %s", err, job.Body)
	}
	wait := 30.0
	run, err := c.ExecuteJobWithResponse(ctx, job.JSON201.Id, nil, api.ExecuteJobRequest{WaitSeconds: &wait})
	if err != nil || run.JSON200 == nil {
		return fmt.Errorf("execute job: %w %s", err, run.Body)
	}
	if err := follow(ctx, c, run.JSON200.ExecutionId); err != nil {
		return err
	}
	end, err := c.GetExecutionWithResponse(ctx, run.JSON200.ExecutionId)
	if err != nil || end.JSON200 == nil {
		return fmt.Errorf("get execution: %w %s", err, end.Body)
	}
	fmt.Println(end.JSON200.Status, *end.JSON200.ExitCode)
	missing, err := c.GetJobWithResponse(ctx, "nothing", nil)
	if err != nil || missing.JSON404 == nil {
		return fmt.Errorf("get nothing: %w %s", err, missing.Body)
	}
	fmt.Println(missing.JSON404.Error, *missing.JSON404.Resource, missing.Headers404.XRequestId != nil)
	return nil
}

// follow prints the data of the frames.
func follow(ctx context.Context, c *api.ClientWithResponses, id string) error {
	on := true
	stream, err := c.FollowLogs(ctx, id, &api.FollowLogsParams{Follow: &on})
	if err != nil {
		return err
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			fmt.Println(data)
		}
	}
	return lines.Err()
}
