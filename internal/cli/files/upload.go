package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/uploads"
)

func newArtifactUpload() *cobra.Command {
	var keep cmdline.Duration
	cmd := &cobra.Command{
		Use: "upload NAME PATH...", Short: "In a job: keep files as an artifact, as they are now", Args: cobra.MinimumNArgs(2),
		Long: `In a job: keep files as an artifact, as they are now. The worker stores it when
the job ends, whatever the outcome, with the artifacts of the definition; the jobs that
need this one receive it. The name must be new in the job.

A PATH is a file, a directory or a glob below the current directory, as the paths of
artifacts in a definition. The command needs neither a token nor a network.`,
		Example: "  hodei artifact upload report report.xml\n  hodei artifact upload --keep 7d screenshots 'shots/**/*.png'",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := os.Getenv(uploads.Variable)
			if dir == "" {
				return cmdline.Usagef("%s is not set: this command works only in a job", uploads.Variable)
			}
			u := uploads.Upload{Name: args[0]}
			if keep > 0 {
				u.KeepSeconds = new(keep.Seconds())
			}
			if err := u.Check(); err != nil {
				return cmdline.Usagef("%w", err)
			}
			packed, err := uploadFiles(cmd.Context(), dir, u, args[1:])
			if err != nil {
				return fmt.Errorf("upload %s: %w", u.Name, err)
			}
			for _, skipped := range packed.Skipped {
				fmt.Fprintf(cmd.ErrOrStderr(), "hodei: warning: artifact %s: %s\n", u.Name, skipped)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "hodei: artifact %s: %s, stored when the job ends\n", u.Name, render.Count(packed.Files, "file"))
			return nil
		},
	}
	cmd.Flags().Var(&keep, "keep", "how long to keep it, such as 7d; as long as the run by default")
	return cmd
}

// uploadFiles packs what the paths select in the current directory.
func uploadFiles(ctx context.Context, dir string, u uploads.Upload, paths []string) (packed archive.Packed, err error) {
	root, err := os.OpenRoot(".")
	if err != nil {
		return packed, err
	}
	defer root.Close()
	patterns := make([]string, len(paths))
	for i, path := range paths {
		if patterns[i], err = pattern(root, path); err != nil {
			return packed, err
		}
	}
	globs, err := archive.NewGlobs(patterns)
	if err != nil {
		return packed, err
	}
	return packed, uploads.Write(dir, u, func(to io.Writer) (err error) {
		if packed, err = archive.Pack(ctx, root, globs, to); err == nil && packed.Empty() {
			err = fmt.Errorf("no file matches %q", paths)
		}
		return err
	})
}

// pattern returns a path as a glob. A path that exists, such as one that a shell has expanded,
// is taken literally.
func pattern(root *os.Root, path string) (string, error) {
	if !filepath.IsLocal(filepath.Clean(strings.TrimPrefix(path, "!"))) {
		return "", errors.New("a path below the current directory is required, not " + path)
	}
	info, err := root.Stat(path)
	if err != nil || !strings.ContainsAny(path, `*?[{\!`) {
		return path, nil
	}
	escaped := strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`, `\`, `\\`, `!`, `\!`).Replace(path)
	if info.IsDir() {
		escaped = strings.TrimSuffix(escaped, "/") + "/"
	}
	return escaped, nil
}
