package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewArtifact returns `hodei artifact`.
func NewArtifact(p *session.Flags) *cobra.Command {
	return cmdline.Noun("artifact", "Artifacts: files that the jobs of a run have left",
		"  hodei artifact ls release#42\n  hodei artifact download release#42 app --dir dist",
		newArtifactList(p), newArtifactDownload(p), newArtifactUpload(), newArtifactRemove(p))
}

func newArtifactList(p *session.Flags) *cobra.Command {
	var req schemas.ListArtifactsRequest
	cmd := p.Listing(&cobra.Command{
		Use: "ls RUN", Short: "List the artifacts of a run, newest first", Args: cobra.ExactArgs(1),
		Example: "  hodei artifact ls release#42",
	}, func(ctx context.Context, s *session.Session, args []string) (err error) {
		if req.ID, err = s.Run(ctx, args[0]); err != nil {
			return err
		}
		return session.List(ctx, s, schemas.ListArtifacts, req, []string{"name", "job", "files", "size", "tests", "age", "expires", "id"},
			func(a hodei.Artifact) []string {
				return []string{render.Plain(a.Name), render.Plain(render.OrNone(a.JobKey)), fmt.Sprint(a.Files), humanize.IBytes(uint64(a.Size)),
					Counts(a.Report), s.Age(a.CreatedAt), s.Moment(a.ExpiresAt), a.ID.String()}
			})
	})
	session.AddPage(cmd.Flags(), &req.Page)
	return cmd
}

func newArtifactRemove(p *session.Flags) *cobra.Command {
	var run string
	cmd := p.Command(&cobra.Command{
		Use: "rm ID|NAME", Short: "Delete an artifact", Args: cobra.ExactArgs(1),
		Long:    "Delete an artifact. With --run, its name or a part of its id is enough.",
		Example: "  hodei artifact rm artifact_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3cb4\n  hodei artifact rm --run release#42 app",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := artifactID(ctx, s, run, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.DeleteArtifact, schemas.DeleteArtifactRequest{ID: id}, func(schemas.Empty) error {
			s.Note("deleted %s", id)
			return nil
		})
	})
	cmd.Flags().StringVar(&run, "run", "", "run that has the artifact, such as release#42")
	return cmd
}

// artifactID returns the artifact with the id, or the one of the run that the text names. No operation lists the
// artifacts of all runs.
func artifactID(ctx context.Context, s *session.Session, run, text string) (id hodei.ArtifactID, err error) {
	if run == "" {
		if err = id.UnmarshalText([]byte(text)); err != nil {
			err = cmdline.Usagef("%q is not a whole id; name its run with --run", text)
		}
		return id, err
	}
	ref, err := s.Run(ctx, run)
	if err != nil {
		return id, err
	}
	return s.Artifact(ctx, ref, text)
}

func newArtifactDownload(p *session.Flags) *cobra.Command {
	var output string
	cmd := p.Command(&cobra.Command{
		Use: "download RUN [NAME]", Short: "Download the artifacts of a run, or those of one name", Args: cobra.RangeArgs(1, 2),
		Long: `Download the artifacts of a run, or those of one name, and unpack each into a
directory of its name. Where several jobs have one of that name, it is below
the key of its job.`,
		Example: "  hodei artifact download release#42\n  hodei artifact download release#42 app --dir dist",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Run(ctx, args[0])
		if err != nil {
			return err
		}
		all, err := artifactsOf(ctx, s, id, args[1:])
		if err != nil {
			return err
		}
		count := map[string]int{}
		for _, a := range all {
			count[a.Name]++
		}
		for _, a := range all {
			dir := filepath.Join(output, fileName(a.Name))
			if count[a.Name] > 1 && a.JobKey != nil {
				dir = filepath.Join(output, fileName(*a.JobKey), fileName(a.Name))
			}
			if err := unpackArtifact(ctx, s, a, dir); err != nil {
				return fmt.Errorf("artifact %s: %w", a.Name, err)
			}
			s.Note("%s: %s, %s", dir, render.Count(a.Files, "file"), humanize.IBytes(uint64(a.Size)))
		}
		return nil
	})
	cmd.Flags().StringVar(&output, "dir", ".", "directory in which the directory of each artifact is created")
	return cmd
}

// artifactsOf returns the artifacts of a run with the name, or all.
func artifactsOf(ctx context.Context, s *session.Session, run hodei.RunRef, name []string) (all []hodei.Artifact, err error) {
	var names []string
	for a, err := range s.AllArtifacts(ctx, schemas.ListArtifactsRequest{ID: run}) {
		if err != nil {
			return nil, err
		}
		if len(name) == 0 || a.Name == name[0] {
			all = append(all, a)
		}
		if !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
	}
	switch {
	case len(all) > 0:
		return all, nil
	case len(names) == 0:
		return nil, hodei.Errorf(hodei.NotFound, "the run has no artifacts")
	}
	return nil, hodei.Errorf(hodei.NotFound, "the run has no artifact %q: it has %s", name[0], strings.Join(names, ", "))
}

func unpackArtifact(ctx context.Context, s *session.Session, a hodei.Artifact, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	content := s.OpenArtifact(ctx, a)
	defer func() { err = errors.Join(err, content.Close(), root.Close()) }()
	_, err = (&archive.Unpacker{Root: root}).Unpack(ctx, content)
	return err
}

// fileName returns the name of a directory for a name that a job has chosen.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == filepath.Separator || r < ' ' {
			return '_'
		}
		return r
	}, name)
	if strings.Trim(name, ".") == "" {
		return "_" + name
	}
	return name
}
