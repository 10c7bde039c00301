package define

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/internal/definition"
)

// besideFile are the flags that --file allows: a job in a file has neither field.
var besideFile = []string{"file", "key", "finally"}

// read reads the job in --file into a request. Fields that the file does not have stay.
func (f *jobFlags) read(cmd *cobra.Command, s *session.Session, words []string, into any) error {
	if len(words) > 0 {
		return cmdline.Usagef("--file and a command after -- exclude each other")
	}
	var other string
	of := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&jobFlags{}).add(of)
	of.VisitAll(func(flag *pflag.Flag) {
		if s.Changed(flag.Name) && !slices.Contains(besideFile, flag.Name) {
			other = flag.Name
		}
	})
	if other != "" {
		return cmdline.Usagef("--file and --%s exclude each other: write it into the file", other)
	}
	src, err := readFile(cmd, f.file)
	if err != nil {
		return err
	}
	fields, problems := definition.ParseJob(src.text, src.format)
	if err := src.report(s.Errs, problems); err != nil {
		return err
	}
	if err := json.Unmarshal(fields, into); err != nil {
		return fmt.Errorf("read %s: %w", src.name, err)
	}
	return nil
}
