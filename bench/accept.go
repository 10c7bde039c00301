package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Markers around the table of accepted results in the page.
const (
	tableBegins = "<!-- What follows is written by `make bench-accept`. -->\n"
	tableEnds   = "<!-- Up to here. -->\n"
)

// acceptResults stores results as the reference and shows them on a page. It
// refuses failed and short runs.
func acceptResults(results, accepted, page, picture string) error {
	body, err := os.ReadFile(results)
	if err != nil {
		return err
	}
	var r report
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("%s: %w", results, err)
	}
	if r.Short || r.Part || len(r.Failures) > 0 {
		return errors.New("only a run in full, of all scenarios, without a failure, can be accepted: make bench")
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(text), tableBegins)
	_, after, ended := strings.Cut(rest, tableEnds)
	if !begun || !ended {
		return fmt.Errorf("%s: the marks of the table are missing", page)
	}
	text = []byte(before + tableBegins + r.markdown() + tableEnds + after)
	return errors.Join(os.WriteFile(accepted, body, 0o644), os.WriteFile(page, text, 0o644),
		os.WriteFile(picture, []byte(r.picture()), 0o644))
}

// markdown returns the table and the plots for a page.
func (r *report) markdown() string {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"scenario", "what", "limit", "hodei", "ratio", "at least", "aim", "", "peers"})
	var plots strings.Builder
	for _, row := range r.Rows {
		t.AppendRow(table.Row{row.Scenario, row.What, row.show(row.Limit, row.Unit), row.show(row.Hodei, row.Unit),
			row.show(row.Ratio, "×"), mark(row.AtLeast), mark(row.Aim), row.verdict(), strings.ReplaceAll(row.others(), "\n", "; ")})
		if row.Plot != "" {
			fmt.Fprintf(&plots, "\n%s: %s\n\n```\n%s\n```\n", row.Scenario, row.What, strings.TrimRight(row.Plot, "\n"))
		}
	}
	if r.picture() != "" {
		plots.WriteString("\nThe cost of one by part, on one of each and on two of each with four workers:\n\n![processor time of one execution by part](images/cost.svg)\n")
	}
	return fmt.Sprintf("\n%s, commit %s, on %s.\nMedian of %d, with the lowest and the highest.\n\n%s\n%s\n",
		r.At.Format(time.DateOnly), r.Commit, r.Machine, r.Turns, t.RenderMarkdown(), plots.String())
}
