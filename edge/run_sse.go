package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// runHandler answers the operation on the logs of a run.
func (s *streams) runHandler(op *schemas.Op) handler {
	bind := newBinder(op)
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx := r.Context()
		var want schemas.FollowRunRequest
		body, err := bind.request(w, r)
		if err != nil {
			return err
		}
		if err := s.decodeRun(body, &want); err != nil {
			return err
		}
		filter, err := want.Filter(time.Now())
		if err != nil {
			return err
		}
		id, err := client.NATS(s.cfg.NATS).RunID(ctx, want.ID)
		if err != nil {
			return err
		}
		leave, err := s.open.enter(r)
		if err != nil {
			return err
		}
		defer leave()
		state, release := s.runs.get(id)
		defer release()
		log, err := follow.NewRunLog(follow.RunLogConfig{
			NATS: s.cfg.NATS, State: state, Feed: s.feeds.get, Options: want.LogOptions, Follow: want.Follow, After: r.Header.Get("Last-Event-ID"),
		})
		if err != nil {
			return err
		}
		defer log.Close()
		if _, _, err := state.Now(ctx); err != nil {
			return err
		}
		lines := &runSSE{logSSE: logSSE{bare: !want.WithTimestamps()}}
		out := &runLogWriter{log: log, lines: lines, logWriter: &logWriter{
			wire: newWire(w, r, lines.contentType()), format: lines, want: selection{filter: filter},
			keepAlive: s.cfg.KeepAlive, rooms: s.rooms, sent: s.metrics.lines,
		}}
		if err := out.copy(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.DebugContext(ctx, "stream cut", "run_id", id, "request_id", rpc.RequestID(ctx), "err", err)
		}
		return nil
	}
}

// runLogWriter writes the logs of a run to one client.
type runLogWriter struct {
	*logWriter
	log   *follow.RunLog
	lines *runSSE
}

// copy writes lines and changes of jobs until the end, including the end event, or until the
// client leaves or ctx is done.
func (o *runLogWriter) copy(ctx context.Context) error {
	if err := o.control(nil); err != nil {
		return err
	}
	for {
		if done, err := o.step(ctx); done || err != nil {
			return err
		}
	}
}

// step waits for the next step, keeps the connection alive meanwhile, and writes as much of it
// as the client reads.
func (o *runLogWriter) step(ctx context.Context) (done bool, err error) {
	if !o.ready(writeTimeout) {
		return false, errStalled
	}
	defer o.leave()
	wait, cancel := context.WithTimeout(ctx, o.keepAlive)
	step, err := o.log.Next(wait, o.enter)
	cancel()
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return false, o.control(o.idle(nil))
	case err != nil:
		return false, err
	case step.End != nil:
		body, _ := hodei.JSON(step.End) // strings always encode
		return true, o.control(frameDone(nil, body))
	case step.Job != nil:
		body, err := hodei.JSON(step.Job)
		if err != nil {
			return false, err
		}
		return false, o.control(append(append([]byte("event: "+schemas.FrameJob+"\ndata: "), body...), "\n\n"...))
	case step.Moved:
		return false, o.control(append(o.lines.id(nil, step, step.Batch.Last), '\n'))
	}
	o.enter()
	o.lines.begin(step)
	last, err := o.logWriter.lines(step.Batch)
	o.log.Took(step, last)
	return false, err
}

// runSSE writes the lines of a step as server-sent events.
type runSSE struct {
	logSSE
	step follow.RunStep
	job  []byte // the beginning of each line's object
}

// begin sets the step whose lines follow.
func (f *runSSE) begin(step follow.RunStep) {
	key, _ := hodei.JSON(step.Key) // a string always encodes
	f.step, f.job = step, append(append([]byte(`{"job":`), key...), ',')
}

func (f *runSSE) id(buf []byte, step follow.RunStep, sequence int64) []byte {
	return append(step.AppendPosition(append(buf, "id: "...), sequence), '\n')
}

func (f *runSSE) line(buf []byte, sequence int64, line []byte) []byte {
	buf = append(f.id(buf, f.step, sequence), "data: "...)
	mark := len(buf)
	if f.bare {
		line = schemas.WithoutTimestamp(hodei.ReadLogLine(line, sequence))
	} else if len(line) < 2 || line[0] != '{' || line[1] != '"' { // published by another program
		line, _ = hodei.JSON(hodei.ReadLogLine(line, sequence)) // strings always encode
	}
	buf = append(append(buf, f.job...), line[1:]...)
	return append(oneField(buf, mark), "\n\n"...)
}
