package worker

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/dustin/go-humanize"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/internal/uploads"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/exec/process"
)

// transfersAtOnce is the number of executions of a worker that pack, unpack or transfer files at
// a time.
const transfersAtOnce = 4

// transferring waits until the execution may transfer files, and returns a function that ends the
// transfer.
func (w *Worker) transferring(ctx context.Context) (func(), error) {
	select {
	case w.transfers <- struct{}{}:
		return func() { <-w.transfers }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wire returns the functions that send the requests of transfers for an execution.
func (w *Worker) wire(r *run) transfer.Wire {
	on := schemas.OnWorker{WorkerID: w.id, ExecutionID: r.req.ExecutionID}
	nc := w.cfg.NATS
	return transfer.Wire{
		Failed: r.delayed,
		Begin: func(ctx context.Context, b hodei.Blob) (schemas.Upload, error) {
			return rpc.Call(ctx, nc, schemas.BeginBlob, schemas.BeginBlobRequest{OnWorker: on, Blob: b})
		},
		Write: func(ctx context.Context, id hodei.BlobID, offset int64, data []byte) error {
			_, err := rpc.Call(ctx, nc, schemas.WriteBlob, schemas.WriteBlobRequest{OnWorker: on, ID: id, Offset: offset, Attached: schemas.Attached{Data: data}})
			return err
		},
		Commit: func(ctx context.Context, id hodei.BlobID) error {
			_, err := rpc.Call(ctx, nc, schemas.CommitBlob, schemas.CommitBlobRequest{OnWorker: on, ID: id})
			return err
		},
		Read: func(ctx context.Context, b hodei.Blob, offset int64) ([]byte, error) {
			chunk, err := rpc.Call(ctx, nc, schemas.ReadBlob, schemas.ReadBlobRequest{OnWorker: on, SHA256: b.SHA256, Offset: offset})
			return chunk.Data, err
		},
	}
}

// receive unpacks the artifacts of the needs into the working directory. After an error the
// execution does not start; the error has the reason.
func (w *Worker) receive(ctx context.Context, r *run, at process.Place) (hodei.Reason, error) {
	if len(r.req.ArtifactsOf) == 0 {
		return "", nil
	}
	ctx, cancel := r.process.before(ctx)
	defer cancel()
	err := w.receiveAll(ctx, r, at)
	if err != nil && ctx.Err() != nil {
		err = errors.New("stopped before its artifacts had arrived")
	}
	var conflict *archive.ConflictError
	if errors.As(err, &conflict) {
		return hodei.ReasonArtifactConflict, err
	}
	return hodei.ReasonArtifactFailed, err
}

func (w *Worker) receiveAll(ctx context.Context, r *run, at process.Place) error {
	done, err := w.transferring(ctx)
	if err != nil {
		return err
	}
	defer done()
	inputs, err := transfer.Repeat(ctx, r.delayed, func(ctx context.Context) (schemas.Inputs, error) {
		return rpc.Call(ctx, w.cfg.NATS, schemas.FindInputs, schemas.FindInputsRequest{OnWorker: schemas.OnWorker{WorkerID: w.id, ExecutionID: r.req.ExecutionID}})
	})
	if err != nil {
		return fmt.Errorf("find the artifacts of the needs: %w", err)
	}
	root, err := os.OpenRoot(at.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	into := &archive.Unpacker{Root: root, Check: w.disk.Check}
	if r.req.Source == hodei.SourceReceived {
		if inputs.Artifacts, err = w.receiveSource(ctx, r, root, inputs.Artifacts); err != nil {
			return err
		}
	}
	for _, a := range inputs.Artifacts {
		name := a.Name
		if a.JobKey != nil {
			name = *a.JobKey + "/" + name
		}
		if err := w.unpack(ctx, r, hodei.Blob{SHA256: a.SHA256, Size: a.Size}, into); err != nil {
			return fmt.Errorf("artifact %s: %w", name, err)
		}
		r.note("received the artifact %s: %s, %s", name, counted(a.Files, "file"), humanize.IBytes(uint64(a.Size)))
	}
	return nil
}

// receiveSource unpacks the tree of the source, which is the first artifact, and returns the other
// artifacts. Their files may replace files of the source.
func (w *Worker) receiveSource(ctx context.Context, r *run, root *os.Root, inputs []hodei.Artifact) ([]hodei.Artifact, error) {
	if len(inputs) == 0 || inputs[0].JobKey == nil || *inputs[0].JobKey != hodei.SourceKey {
		return nil, errors.New("the source of the run was deleted")
	}
	a := inputs[0]
	into := &archive.Unpacker{Root: root, Check: w.disk.Check, Links: true}
	if err := w.unpack(ctx, r, hodei.Blob{SHA256: a.SHA256, Size: a.Size}, into); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	r.note("received the source: %s, %s", counted(a.Files, "file"), humanize.IBytes(uint64(a.Size)))
	return inputs[1:], nil
}

// unpack fetches content and unpacks it while it arrives.
func (w *Worker) unpack(ctx context.Context, r *run, b hodei.Blob, into *archive.Unpacker) error {
	from := transfer.Open(ctx, w.wire(r), b)
	defer func() { _ = from.Close() }() // never fails
	if _, err := into.Unpack(ctx, from); err != nil {
		return err
	}
	return from.Err()
}

// keep stores the artifacts of an ended command, all of them or none. If the artifacts of a
// completed command cannot be stored, the execution fails.
func (w *Worker) keep(ctx context.Context, r *run, at process.Place, end *hodei.Outcome) {
	if end.Reason != nil && *end.Reason == hodei.ReasonWorkerTerminated || ctx.Err() != nil {
		return
	}
	uploaded, err := uploads.Read(uploadsDir(at))
	if err == nil && len(r.req.Artifacts)+len(uploaded) == 0 {
		return
	}
	var reason hodei.Reason
	if err == nil {
		reason, err = w.keepAll(ctx, r, at, r.wanted(end.Status), uploaded)
	}
	if err == nil && reason == "" {
		return
	}
	if err != nil {
		reason = hodei.ReasonArtifactFailed
		r.note("artifacts: %v", err)
	}
	if end.Status == hodei.Completed {
		end.Status, end.Reason, end.Outputs = hodei.Failed, &reason, nil
	}
}

// wanted returns the artifacts to keep after such an end.
func (r *run) wanted(status hodei.ExecutionStatus) (specs []hodei.ArtifactSpec) {
	for _, spec := range r.req.Artifacts {
		switch spec.When {
		case hodei.WhenAlways:
		case hodei.WhenFailure:
			if status != hodei.Failed && status != hodei.TimedOut {
				continue
			}
		default:
			if status != hodei.Completed {
				continue
			}
		}
		specs = append(specs, spec)
	}
	return specs
}

// keepAll stores the artifacts. It returns a reason if a required artifact is missing.
func (w *Worker) keepAll(ctx context.Context, r *run, at process.Place, specs []hodei.ArtifactSpec, uploaded []uploads.Upload) (reason hodei.Reason, err error) {
	if len(specs)+len(uploaded) == 0 && r.req.Attempt < 2 { // a later attempt must replace the artifacts of earlier ones
		return "", nil
	}
	done, err := w.transferring(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	root, err := os.OpenRoot(at.Dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	request := schemas.KeepArtifactsRequest{OnWorker: schemas.OnWorker{WorkerID: w.id, ExecutionID: r.req.ExecutionID}}
	for _, spec := range specs {
		draft, packed, err := w.store(ctx, r, root, spec)
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", spec.Name, err)
		case packed.Empty() && spec.IfNone == "error":
			r.note("artifact %s: no file matches %q", spec.Name, spec.Paths)
			reason = hodei.ReasonArtifactMissing
		case packed.Empty() && spec.IfNone != "ignore":
			r.note("warning: artifact %s: no file matches %q", spec.Name, spec.Paths)
		case !packed.Empty():
			request.Artifacts = append(request.Artifacts, draft)
		}
	}
	drafts, err := w.storeUploads(ctx, r, at, uploaded)
	if err != nil {
		return "", err
	}
	request.Artifacts = append(request.Artifacts, drafts...)
	boundReports(request.Artifacts)
	for _, draft := range request.Artifacts {
		r.note("artifact %s: %s, %s%s", draft.Name, counted(draft.Files, "file"), humanize.IBytes(uint64(draft.Size)), tested(draft.Report))
	}
	_, err = transfer.Repeat(ctx, r.delayed, func(ctx context.Context) (schemas.KeptArtifacts, error) {
		return rpc.Call(ctx, w.cfg.NATS, schemas.KeepArtifacts, request)
	})
	return reason, err
}

// store packs an artifact into a file of the worker and uploads it.
func (w *Worker) store(ctx context.Context, r *run, root *os.Root, spec hodei.ArtifactSpec) (draft schemas.NewArtifact, packed archive.Packed, err error) {
	globs, err := archive.NewGlobs(spec.Paths)
	if err != nil {
		return draft, packed, err
	}
	to, err := archive.NewSpool(w.state.files, w.disk.Check)
	if err != nil {
		return draft, packed, err
	}
	defer to.Close()
	tests := &testReports{run: r, artifact: spec.Name}
	if r.req.Source == hodei.SourceFetched {
		packed, err = archive.PackTree(ctx, root, to)
	} else {
		packed, err = archive.PackReading(ctx, root, globs, to, tests.read)
	}
	for _, skipped := range packed.Skipped {
		r.note("warning: artifact %s: %s", spec.Name, skipped)
	}
	if packed.Others > 0 {
		r.note("warning: artifact %s: and %d more", spec.Name, packed.Others)
	}
	if err != nil || packed.Empty() {
		return draft, packed, err
	}
	sum, size := to.Sum()
	draft = schemas.NewArtifact{Name: spec.Name, Blob: hodei.Blob{SHA256: hodei.DigestOf(sum), Size: size}, Files: packed.Files, KeepSeconds: spec.KeepSeconds, Report: tests.report}
	return draft, packed, transfer.Put(ctx, w.wire(r), draft.Blob, to)
}

// delayed writes the error of a request that will be repeated to the log, at most once a minute.
func (r *run) delayed(err error) {
	r.delays.Do(func() { r.note("the transfer of files is delayed and will be retried: %v", err) })
}

// note adds a line to the log of the execution.
func (r *run) note(format string, args ...any) {
	r.journal.Note("hodei: " + r.secrets.Mask(fmt.Sprintf(format, args...)))
}

// counted returns a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%s %ss", humanize.Comma(int64(n)), noun)
}
