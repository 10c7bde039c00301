package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func NewSecret(p *session.Flags) *cobra.Command {
	return cmdline.Noun("secret", "Secrets: values that jobs receive by name, and that logs do not show",
		"  hodei secret set DEPLOY_KEY < key.pem\n  hodei secret ls",
		newSecretSet(p), newSecretList(p), newSecretRemove(p), newSecretRotate(p))
}

func newSecretSet(p *session.Flags) *cobra.Command {
	var pipeline string
	in := io.Reader(os.Stdin)
	cmd := p.Command(&cobra.Command{
		Use: "set NAME", Short: "Set a secret to the value on standard input", Args: cobra.ExactArgs(1),
		Long: "Set a secret to the value on standard input, or to what is typed at the prompt.\n" +
			"A line break at the end of a value of one line is not part of it.",
		Example: "  hodei secret set DEPLOY_KEY < key.pem\n  pass show token | hodei secret set TOKEN --pipeline release",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		req := schemas.SetSecretRequest{Name: args[0]}
		var err error
		if req.PipelineID, err = scopeOf(ctx, s, pipeline); err != nil {
			return err
		}
		if req.Value, err = readValue(in, s.Errs); err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.SetSecret, req, func(made hodei.Secret) error {
			s.Note("%s is set, version %d", made.Name, made.Version)
			return nil
		})
	})
	cmd.PreRun = func(cmd *cobra.Command, _ []string) { in = cmd.InOrStdin() }
	addScope(cmd, p, &pipeline)
	return cmd
}

func newSecretList(p *session.Flags) *cobra.Command {
	var pipeline string
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List the names of secrets", Args: cobra.NoArgs,
		Example: "  hodei secret ls --pipeline release",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		scope, err := scopeOf(ctx, s, pipeline)
		if err != nil {
			return err
		}
		return session.List(ctx, s, schemas.ListSecrets, schemas.ListSecretsRequest{PipelineID: scope},
			[]string{"name", "pipeline", "version", "changed", "used"}, func(secret hodei.Secret) []string {
				of, used := "all", render.None
				if secret.PipelineID != nil {
					of = s.PipelineName(ctx, *secret.PipelineID)
				}
				if secret.UsedAt != nil {
					used = s.Age(*secret.UsedAt)
				}
				return []string{secret.Name, of, fmt.Sprint(secret.Version), s.Age(secret.UpdatedAt), used}
			})
	})
	addScope(cmd, p, &pipeline)
	return cmd
}

func newSecretRemove(p *session.Flags) *cobra.Command {
	var pipeline string
	cmd := p.Command(&cobra.Command{
		Use: "rm NAME...", Aliases: []string{"delete"}, Short: "Delete secrets", Args: cobra.MinimumNArgs(1),
		Example: "  hodei secret rm DEPLOY_KEY",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		scope, err := scopeOf(ctx, s, pipeline)
		if err != nil {
			return err
		}
		for _, name := range args {
			req := schemas.DeleteSecretRequest{Name: name, PipelineID: scope}
			if err := session.Ask(ctx, s, schemas.DeleteSecret, req, func(schemas.Empty) error { return nil }); err != nil {
				return err
			}
			s.Note("%s deleted", name)
		}
		return nil
	})
	addScope(cmd, p, &pipeline)
	return cmd
}

func newSecretRotate(p *session.Flags) *cobra.Command {
	return p.Command(&cobra.Command{
		Use: "rotate", Short: "Encrypt all secrets with the first key of the key file", Args: cobra.NoArgs,
		Long: "Encrypt all secrets with the first key of the key file. To replace a key, put a new\n" +
			"one above it (openssl rand -base64 32), restart the worker managers, rotate, and\nremove the old one.",
		Example: "  hodei secret rotate",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		return session.Ask(ctx, s, schemas.RotateSecrets, schemas.Empty{}, func(r schemas.RotatedSecrets) error {
			s.Note("%d secrets are encrypted with another key now", r.Rotated)
			if len(r.Unreadable) > 0 {
				s.Note("no key of the file decrypts %s: set them again", strings.Join(r.Unreadable, ", "))
			}
			return nil
		})
	})
}

func addScope(cmd *cobra.Command, p *session.Flags, pipeline *string) {
	cmd.Flags().StringVar(pipeline, "pipeline", "", "the secrets of this pipeline alone (default those of all pipelines)")
	session.Complete(cmd, "pipeline", p.Pipelines())
}

// scopeOf is the pipeline of secrets, nil for none.
func scopeOf(ctx context.Context, s *session.Session, pipeline string) (*hodei.PipelineRef, error) {
	if pipeline == "" {
		return nil, nil
	}
	ref, err := s.PipelineRef(ctx, pipeline)
	return &ref, err
}

// readValue reads a value. The line break after a single line belongs to the terminal or
// to echo; a key of several lines needs its last one.
func readValue(in io.Reader, prompt io.Writer) (string, error) {
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(prompt, "Value: ")
		typed, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(prompt)
		return string(typed), err
	}
	text, err := io.ReadAll(io.LimitReader(in, hodei.MaxSecret+3)) // one byte more than is valid, and a line break
	if err != nil {
		return "", fmt.Errorf("read the value: %w", err)
	}
	value := string(text)
	if line := strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r"); !strings.Contains(line, "\n") {
		value = line
	}
	if value == "" {
		return "", cmdline.Usagef("%w", errors.New("the value is read from standard input, which is empty"))
	}
	return value, nil
}

// SecretVersions is what an execution received, as "TOKEN version 2".
func SecretVersions(versions map[string]int) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		texts = append(texts, fmt.Sprintf("%s version %d", name, versions[name]))
	}
	return strings.Join(texts, ", ")
}

func NewMask() *cobra.Command {
	return &cobra.Command{
		Use: "mask [VALUE]", Short: "In a job: mask a value in the rest of the log", Args: cobra.MaximumNArgs(1),
		Long: `In a job: mask a value in the rest of the log, as if it were a secret of the job.
The value is read from standard input, or is the argument, which other processes of
the machine can see.

The command writes a line ::add-mask::VALUE to standard output and to standard error,
which the worker takes out of the log. A program can print this line itself.`,
		Example: "  curl -s https://vault.example.com/token | hodei mask",
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := "", error(nil)
			if len(args) == 1 {
				value = args[0]
			} else if value, err = readValue(cmd.InOrStdin(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			if err := hodei.CheckSecret(value); err != nil {
				return cmdline.Usagef("%s", hodei.AsError(err).Details.Issue)
			}
			line := "::add-mask::" + strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(value) + "\n"
			for _, out := range []io.Writer{cmd.OutOrStdout(), cmd.ErrOrStderr()} { // either may be used next
				if _, err := io.WriteString(out, line); err != nil {
					return fmt.Errorf("mask: %w", err)
				}
			}
			return nil
		},
	}
}
