package define

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// NewInit returns `hodei init`.
func NewInit() *cobra.Command {
	var name string
	var force bool
	cmd := &cobra.Command{
		Use: "init [FILE]", Short: "Write a commented hodei.yaml to begin with", Args: cobra.MaximumNArgs(1),
		Example: "  hodei init\n  hodei init --slug release deploy/hodei.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			file := defaultFile
			if len(args) > 0 {
				file = args[0]
			}
			if name == "" {
				dir, err := filepath.Abs(filepath.Dir(file))
				if err != nil {
					return fmt.Errorf("find the directory of %s: %w", file, err)
				}
				name = slugOf(filepath.Base(dir))
			}
			if !hodei.IsSlug(name) {
				return cmdline.Usagef("--slug: up to 63 of a-z, 0-9 and - required, not %q", name)
			}
			flags := os.O_CREATE | os.O_WRONLY | os.O_EXCL
			if force {
				flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
			}
			f, err := os.OpenFile(file, flags, 0o644)
			if errors.Is(err, os.ErrExist) {
				return hodei.Errorf(hodei.Conflict, "%s is there already; --force writes over it", file)
			}
			if err != nil {
				return fmt.Errorf("write %s: %w", file, err)
			}
			text := definition.Example(name)
			if server := os.Getenv("HODEI_SERVER"); session.IsServer(server) { // editors read the schema from it
				text = strings.Replace(text, session.DefaultServer, strings.TrimRight(rpc.Redacted(server), "/"), 1)
			}
			_, err = f.WriteString(text)
			if err = errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("write %s: %w", file, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", file)
			fmt.Fprintln(cmd.ErrOrStderr(), "next: hodei validate, hodei diff, hodei apply")
			return err
		},
	}
	cmd.Flags().StringVar(&name, "slug", "", "slug of the pipeline; the name of the directory when left out")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	cmdline.CommandLineOnly(cmd.Flags())
	return cmd
}

// slugOf is a name as a slug.
func slugOf(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if name = strings.Trim(name, "-"); name == "" {
		return "my-pipeline"
	}
	return name[:min(len(name), 63)]
}
