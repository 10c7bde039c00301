package session

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/contexts"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

// completion is the values that the word begun may become, each with what it
// is behind a tab. An error shows as no values: a shell has no place for it.
type completion func(cmd *cobra.Command, begun string) ([]string, error)

// Complete gives a flag its completion.
func Complete(cmd *cobra.Command, flag string, values completion) {
	// It fails only for a flag that is not there, which the test of all flags finds.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return matching(cmd, begun, values)
	})
}

// CompleteFirst gives the first argument its completion.
func CompleteFirst(cmd *cobra.Command, values completion) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return matching(cmd, begun, values)
	}
	return cmd
}

// OneContext completes the name of a context.
func OneContext(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return matching(cmd, begun, func(*cobra.Command, string) ([]string, error) { return contexts.Names() })
}

func matching(cmd *cobra.Command, begun string, values completion) ([]string, cobra.ShellCompDirective) {
	all, err := values(cmd, begun)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var fit []string
	for _, value := range all {
		if strings.HasPrefix(value, begun) {
			fit = append(fit, value)
		}
	}
	return fit, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

const (
	// completionTimeout is how long a person who pressed Tab may be kept.
	completionTimeout = 2 * time.Second
	// completionLimit is how many of the newest records are offered.
	completionLimit = 200
)

// live is a completion that asks the system.
func (p *Flags) live(values func(context.Context, *Session, schemas.Page) ([]candidate, error)) completion {
	return func(cmd *cobra.Command, begun string) ([]string, error) {
		if !p.settled { // a second completion of the same word must not read the environment again
			if err := p.settle(cmd); err != nil {
				return nil, err
			}
			p.settled = true
		}
		s, err := p.open(cmd)
		if err != nil {
			return nil, err
		}
		defer s.close()
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		found, err := values(ctx, s, schemas.Page{Limit: completionLimit})
		return offered(found, begun), err
	}
}

// candidate is a record that may be meant.
type candidate struct{ id, name, about string }

// offered are names where there are any, and ids where there are none or one
// has been begun.
func offered(found []candidate, begun string) (values []string) {
	for _, c := range found {
		switch {
		case c.name != "" && strings.HasPrefix(c.name, begun):
			values = append(values, render.Plain(c.name)+"\t"+c.id+" "+c.about)
		case c.name == "" || begun != "":
			values = append(values, c.id+"\t"+strings.TrimSpace(render.Plain(c.name)+" "+c.about))
		}
	}
	return values
}

func NameOf(name *string) string {
	if name == nil {
		return ""
	}
	return *name
}

func (p *Flags) Pipelines() completion {
	return p.live(func(ctx context.Context, s *Session, page schemas.Page) (found []candidate, err error) {
		list, err := s.ListPipelines(ctx, schemas.ListPipelinesRequest{Page: page})
		for _, p := range list.Items {
			found = append(found, candidate{p.ID.String(), p.Name, string(p.Status)})
		}
		return found, err
	})
}

func (p *Flags) Jobs() completion {
	return p.live(func(ctx context.Context, s *Session, page schemas.Page) (found []candidate, err error) {
		list, err := s.ListJobs(ctx, schemas.ListJobsRequest{Page: page})
		for _, j := range list.Items {
			found = append(found, candidate{j.ID.String(), NameOf(j.Name), string(j.Status)})
		}
		return found, err
	})
}

// Executions are the newest that are in the given states, all without any.
func (p *Flags) Executions(in ...hodei.ExecutionStatus) completion {
	filters := []schemas.OneOf[hodei.ExecutionStatus]{nil}
	if len(in) > 0 {
		filters = filters[:0]
	}
	for _, status := range in {
		filters = append(filters, schemas.OneOf[hodei.ExecutionStatus]{status})
	}
	return p.live(func(ctx context.Context, s *Session, page schemas.Page) (found []candidate, err error) {
		for _, status := range filters {
			list, err := s.ListExecutions(ctx, schemas.ListExecutionsRequest{Page: page, Status: status})
			if err != nil {
				return nil, err
			}
			for _, e := range list.Items {
				found = append(found, candidate{e.ID.String(), "", string(e.Status) + " " + s.Age(e.CreatedAt) + " " + Brief(e.Command)})
			}
		}
		return found, nil
	})
}

func (p *Flags) Workers() completion {
	return p.live(func(ctx context.Context, s *Session, page schemas.Page) (found []candidate, err error) {
		list, err := s.ListWorkers(ctx, schemas.ListWorkersRequest{Page: page})
		for _, w := range list.Items {
			found = append(found, candidate{w.ID.String(), NameOf(w.Name), w.Type + " " + string(w.Status)})
		}
		return found, err
	})
}

// Types are the types that the fleet has.
func (p *Flags) Types() completion {
	return p.live(func(ctx context.Context, s *Session, page schemas.Page) (found []candidate, err error) {
		list, err := s.ListWorkers(ctx, schemas.ListWorkersRequest{Page: page})
		seen := map[string]bool{}
		for _, w := range list.Items {
			if !seen[w.Type] {
				found = append(found, candidate{w.Type, "", "type of " + string(w.ID.String())})
			}
			seen[w.Type] = true
		}
		return found, err
	})
}

// Words is a completion of fixed values.
func Words[S ~string](values ...S) completion {
	return func(*cobra.Command, string) (all []string, err error) {
		for _, v := range values {
			all = append(all, string(v))
		}
		return all, nil
	}
}
