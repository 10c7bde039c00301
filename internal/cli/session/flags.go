package session

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/schemas"
)

// AddPage adds the flags of a list that is read a page at a time.
func AddPage(flags *pflag.FlagSet, page *schemas.Page) {
	flags.IntVar(&page.Limit, "limit", schemas.DefaultLimit, "number of entries, at most 1000")
	flags.StringVar(&page.Cursor, "cursor", "", "continue after the previous list")
}

// AddCreated adds the flags that select records by their time of creation.
func AddCreated(flags *pflag.FlagSet, created *schemas.Created) {
	flags.Var(&moment{&created.CreatedAfter}, "created-after", "only those created at this time (RFC 3339) or later, or within the last 10m, 2h or 7d")
	flags.Var(&moment{&created.CreatedBefore}, "created-before", "only those created before this time (RFC 3339), or longer ago than 10m, 2h or 7d")
}

// moment is a flag that takes a time, or how long ago it was.
type moment struct{ at **time.Time }

func (m *moment) Type() string { return "time" }

func (m *moment) String() string {
	if m.at == nil || *m.at == nil {
		return ""
	}
	return (*m.at).Format(time.RFC3339Nano)
}

func (m *moment) Set(text string) error {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		*m.at = &at
		return nil
	}
	var ago cmdline.Duration
	if err := ago.Set(text); err != nil {
		return fmt.Errorf("a time such as 2026-01-02T15:04:05Z or a duration such as 10m, 2h or 7d required, not %q", text)
	}
	at := time.Now().Add(-time.Duration(ago)).UTC()
	*m.at = &at
	return nil
}

// States is a flag that takes one or more of the states of a table, in any case.
type States[S ~string] struct {
	Value schemas.OneOf[S]
	Of    hodei.Transitions[S]
}

func (s *States[S]) Type() string   { return "status" }
func (s *States[S]) String() string { return s.Value.String() }

func (s *States[S]) Set(text string) error {
	var asked schemas.OneOf[S]
	for part := range strings.SplitSeq(text, ",") {
		asked = append(asked, S(part))
	}
	states, err := schemas.States("status", asked, s.Of)
	if err != nil {
		return fmt.Errorf("one of %v required, several separated by commas", s.Of.States())
	}
	s.Value = states
	return nil
}
