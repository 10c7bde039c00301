package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/session"
)

// upload packs a directory and uploads it for a run of the pipeline.
func upload(ctx context.Context, s *session.Session, pipeline hodei.PipelineRef, dir string) (*hodei.UploadedSource, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, cmdline.Usagef("--source: %v", err)
	}
	defer root.Close()
	file, err := archive.NewSpool("", nil)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	packed, err := packSource(ctx, root, dir, file)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", dir, err)
	}
	for _, skipped := range packed.Skipped {
		fmt.Fprintf(s.Errs, "hodei: not uploaded: %s\n", skipped)
	}
	if packed.Others > 0 {
		fmt.Fprintf(s.Errs, "hodei: not uploaded: and %d more\n", packed.Others)
	}
	sum, size := file.Sum()
	tree := &hodei.UploadedSource{Blob: hodei.Blob{SHA256: hodei.DigestOf(sum), Size: size}, Files: packed.Files}
	if err := s.UploadSource(ctx, pipeline, tree.Blob, file); err != nil {
		return nil, err
	}
	fmt.Fprintf(s.Errs, "hodei: uploaded the source: %d files, %s\n", tree.Files, humanize.IBytes(uint64(size)))
	return tree, nil
}

// packSource packs the files in the directory that git does not ignore. Outside of a git
// repository it packs everything.
func packSource(ctx context.Context, root *os.Root, dir string, to io.Writer) (archive.Packed, error) {
	inside := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--is-inside-work-tree")
	if out, err := inside.Output(); err != nil || strings.TrimSpace(string(out)) != "true" {
		return archive.PackTree(ctx, root, to)
	}
	var problem bytes.Buffer
	list := exec.CommandContext(ctx, "git", "-C", dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Stderr = &problem
	out, err := list.Output()
	if err != nil {
		return archive.Packed{}, fmt.Errorf("git ls-files: %w: %s", err, strings.TrimSpace(problem.String()))
	}
	names := []string{}
	for name := range strings.SplitSeq(string(out), "\x00") {
		if name != "" {
			names = append(names, name)
		}
	}
	return archive.PackFiles(ctx, root, names, to)
}
