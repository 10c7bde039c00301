package define

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/schemas"
)

// defaultFile is the definition in the current directory.
const defaultFile = "hodei.yaml"

// fileArgument lets a command read a definition: FILE, -f FILE, or hodei.yaml.
func fileArgument(cmd *cobra.Command, file *string) *cobra.Command {
	cmd.Use += " [FILE]"
	cmd.Flags().StringVarP(file, "file", "f", defaultFile, "the definition, YAML or (.json) JSON; - for standard input")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if len(args) > 1 || cmd.Flags().Changed("file") {
			return cmdline.Usagef("one file is read, not %s", strings.Join(args, " and "))
		}
		*file = args[0]
		return nil
	}
	return cmd
}

// source is a definition as it was read.
type source struct {
	name   string // for messages
	text   []byte
	format definition.Format
	def    hodei.Definition
	// problems are all that is wrong with it, as far as this program knows.
	problems []hodei.Problem
}

// readSource reads and checks a definition.
func readSource(cmd *cobra.Command, file string) (source, error) {
	s, err := readFile(cmd, file)
	if err == nil {
		s.def, s.problems = definition.Parse(s.text, s.format)
	}
	return s, err
}

func readFile(cmd *cobra.Command, file string) (source, error) {
	s := source{name: file, format: definition.FormatOf(file)}
	var err error
	if file == "-" {
		s.name = "standard input"
		s.text, err = io.ReadAll(cmd.InOrStdin())
		if text := strings.TrimSpace(string(s.text)); strings.HasPrefix(text, "{") && json.Valid(s.text) {
			s.format = definition.JSON
		}
	} else {
		s.text, err = os.ReadFile(file)
	}
	if errors.Is(err, os.ErrNotExist) {
		return s, hodei.Errorf(hodei.NotFound, "no file %s: `hodei init` writes one, -f names another", file)
	}
	if errors.Is(err, syscall.EISDIR) {
		return s, cmdline.Usagef("%s is a directory; name the file in it, such as %s", file, filepath.Join(file, defaultFile))
	}
	if err != nil {
		return s, fmt.Errorf("read %s: %w", s.name, err)
	}
	return s, nil
}

// report prints problems as compilers do, and returns the error for those that are not
// warnings.
func (s source) report(to io.Writer, problems []hodei.Problem) error {
	count := 0
	for _, p := range problems {
		kind := ""
		if p.Warning || p.Unsupported {
			kind = "warning: "
		} else {
			count++
		}
		place := s.name + ": "
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d: ", s.name, p.Line, p.Column)
			p.Line = 0
		}
		fmt.Fprintln(to, place+kind+render.Plain(p.String()))
	}
	if count == 0 {
		return nil
	}
	return hodei.Errorf(hodei.Invalid, "%s is not valid: %s", s.name, render.Count(count, "problem"))
}

// NewValidate returns `hodei validate`.
func NewValidate() *cobra.Command {
	var file string
	return fileArgument(&cobra.Command{
		Use: "validate", Short: "Check hodei.yaml, without a server",
		Long:    "Prints every problem with its line, column and field, and exits with 4 when there is one. Warnings are no problems.",
		Example: "  hodei validate\n  hodei validate deploy/hodei.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			src, err := readSource(cmd, file)
			if err != nil {
				return err
			}
			if err := src.report(cmd.ErrOrStderr(), src.problems); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s\n", src.name, src.def.Slug, render.Count(len(src.def.Jobs), "job"))
			return err
		},
	}, &file)
}

// NewApply returns `hodei apply`.
func NewApply(p *session.Flags) *cobra.Command {
	var file string
	cmd := p.Command(&cobra.Command{
		Use: "apply", Short: "Create or change a pipeline and its jobs by hodei.yaml",
		Long: "Creates or changes the pipeline with the slug of the file, and its jobs by their keys, in one transaction, and prints what " +
			"changed. Nothing is changed unless all of the file is valid.",
		Example: "  hodei apply\n  hodei apply deploy/hodei.yaml\n  hodei pipeline show release -o yaml | hodei apply -f -",
	}, nil)
	return fileArgument(applying(p, cmd, &file, false), &file)
}

// NewDiff returns `hodei diff`.
func NewDiff(p *session.Flags) *cobra.Command {
	var file string
	cmd := p.Command(&cobra.Command{
		Use: "diff", Short: "Show what apply would change",
		Example: "  hodei diff\n  hodei diff deploy/hodei.yaml -o json",
	}, nil)
	return fileArgument(applying(p, cmd, &file, true), &file)
}

// applying gives a command the action of apply.
func applying(p *session.Flags, cmd *cobra.Command, file *string, dry bool) *cobra.Command {
	return p.Action(cmd, func(ctx context.Context, s *session.Session, _ []string) error {
		src, err := readSource(cmd, *file)
		if err != nil {
			return err
		}
		if src.def.Slug == "" { // it has no address; the service checks everything else
			return src.report(s.Errs, src.problems)
		}
		err = session.Ask(ctx, s, schemas.ApplyPipeline, src.request(dry), func(rep schemas.AppliedPipeline) error {
			if err := src.warn(s.Errs, rep.Warnings); err != nil {
				return err
			}
			return showChanges(s, src.def.Slug, dry, rep)
		})
		return src.refused(s.Errs, err)
	})
}

// Apply applies the pipeline in a file and returns it. Problems are printed with their
// places.
func Apply(ctx context.Context, s *session.Session, cmd *cobra.Command, file string) (*hodei.PipelineRef, error) {
	src, err := readSource(cmd, file)
	if err != nil {
		return nil, err
	}
	if err := src.report(s.Errs, definition.Errors(src.problems)); err != nil {
		return nil, err
	}
	rep, err := s.ApplyPipeline(ctx, src.request(false))
	if err != nil {
		return nil, src.refused(s.Errs, err)
	}
	if err := src.warn(s.Errs, rep.Warnings); err != nil {
		return nil, err
	}
	ref := hodei.PipelineRef(src.def.Slug)
	return &ref, nil
}

func (s source) request(dry bool) schemas.ApplyPipelineRequest {
	return schemas.ApplyPipelineRequest{Slug: s.def.Slug, DryRun: dry, Document: string(s.text), Format: string(s.format)}
}

// warn prints the warnings of the service, whose kind does not travel.
func (s source) warn(to io.Writer, warnings []hodei.Problem) error {
	for i := range warnings {
		warnings[i].Warning = true
	}
	return s.report(to, warnings)
}

// refused prints the problems that the service found. Another error, or none, is returned
// as it is.
func (s source) refused(to io.Writer, err error) error {
	var refused *hodei.Error
	if errors.As(err, &refused) && refused.Details != nil && len(refused.Details.Problems) > 0 {
		return s.report(to, refused.Details.Problems)
	}
	return err
}

// showChanges prints a line for each change, and what they come to.
func showChanges(s *session.Session, slug string, dry bool, rep schemas.AppliedPipeline) error {
	counts := map[string]int{}
	for _, c := range rep.Changes {
		counts[c.Action]++
		line := ""
		switch from, to := render.Clip(string(c.From), 60), render.Clip(string(c.To), 60); {
		case c.Action == hodei.ChangeChanged:
			line = "~ " + c.Field + ": " + from + " → " + to
		case c.Action == hodei.ChangeDeleted:
			line = "- " + c.Field
		case definition.JobKey(c.Field) != "" && strings.Count(c.Field, ".") == 1: // a whole job
			line = "+ " + c.Field
		default:
			line = "+ " + c.Field + ": " + to
		}
		if _, err := fmt.Fprintln(s.Out, s.Change(render.Plain(line))); err != nil {
			return err
		}
	}
	var parts []string
	for _, action := range []string{hodei.ChangeCreated, hodei.ChangeChanged, hodei.ChangeDeleted} {
		if n := counts[action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, action))
		}
	}
	switch {
	case len(parts) == 0:
		s.Note("%s: nothing changes", slug)
	case dry:
		s.Note("%s: %s by `%s`", slug, strings.Join(parts, ", "), s.Hint("apply"))
	default:
		s.Note("%s: %s", slug, strings.Join(parts, ", "))
	}
	return nil
}
