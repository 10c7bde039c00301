package worker

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/internal/uploads"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/exec/process"
)

// uploadsDir is the directory for the uploads of `hodei artifact upload`. Like outputFile it does
// not exist at first.
func uploadsDir(at process.Place) string { return filepath.Join(at.Tmp, ".hodei-uploads") }

// storeUploads stores the uploads of the command.
func (w *Worker) storeUploads(ctx context.Context, r *run, at process.Place, uploaded []uploads.Upload) (drafts []schemas.NewArtifact, err error) {
	for _, u := range uploaded {
		draft, err := w.storeUpload(ctx, r, at, u)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Name, err)
		}
		drafts = append(drafts, draft)
	}
	return drafts, nil
}

// storeUpload verifies that the content is an archive that other jobs can unpack, and stores it.
func (w *Worker) storeUpload(ctx context.Context, r *run, at process.Place, u uploads.Upload) (draft schemas.NewArtifact, err error) {
	switch {
	case slices.ContainsFunc(r.req.Artifacts, func(spec hodei.ArtifactSpec) bool { return spec.Name == u.Name }):
		return draft, fmt.Errorf("the job has an artifact with this name already")
	case r.secrets.Contains(u.Name):
		return draft, fmt.Errorf("the name contains a secret")
	}
	file, err := uploads.Open(uploadsDir(at), u)
	if err != nil {
		return draft, err
	}
	defer file.Close()
	tests, files, sum := &testReports{run: r, artifact: u.Name}, 0, sha256.New()
	if err := archive.Each(ctx, io.TeeReader(file, sum), func(e archive.Entry, content io.Reader) error {
		if !e.IsDir() {
			files++
			tests.read(e.Path, content)
		}
		return nil
	}); err != nil {
		return draft, err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return draft, err
	}
	blob := hodei.Blob{SHA256: hodei.DigestOf([sha256.Size]byte(sum.Sum(nil))), Size: size}
	draft = schemas.NewArtifact{Name: u.Name, Blob: blob, Files: files, KeepSeconds: u.KeepSeconds, Report: tests.report}
	return draft, transfer.Put(ctx, w.wire(r), blob, file)
}
