package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// report is the result of a run, as in results.json.
type report struct {
	At      time.Time `json:"at"`
	Commit  string    `json:"commit"`
	Command string    `json:"command"`
	Machine string    `json:"machine"`
	Short   bool      `json:"short"`
	Part    bool      `json:"part"` // some scenarios or peers were left out
	Turns   int       `json:"turns"`
	Rows    []row     `json:"rows"`
	// Failures are the scenarios without a result, with the reason.
	Failures map[string]string `json:"failures,omitempty"`
}

func newReport(ctx context.Context, b *bench) *report {
	return &report{
		At: time.Now().UTC().Truncate(time.Second), Commit: outputOf(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12"),
		Command: "bench " + strings.Join(os.Args[1:], " "), Machine: machine(ctx), Short: b.short, Turns: b.turns,
	}
}

// machine describes the measured machine.
func machine(ctx context.Context) string {
	model := outputOf(ctx, "sh", "-c", `sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1`)
	return fmt.Sprintf("%d × %s, %s, %s, %s", runtime.NumCPU(), model, outputOf(ctx, "uname", "-sr"),
		runtime.Version(), outputOf(ctx, "sh", "-c", `psql --version 2>/dev/null || echo Postgres`))
}

// outputOf returns the output of a command, "" if it cannot run.
func outputOf(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// add runs a scenario and stores its result.
func (r *report) add(name string, run func() ([]row, error)) {
	rows, err := run()
	r.Rows = append(r.Rows, rows...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		if r.Failures == nil {
			r.Failures = map[string]string{}
		}
		r.Failures[name] = err.Error()
	}
}

func (r *report) failed() error {
	var errs []error
	for name := range r.Failures {
		errs = append(errs, fmt.Errorf("%s failed", name))
	}
	return errors.Join(errs...)
}

func (r *report) write(path string) error {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(body, '\n'), 0o644)
}

// print prints the table, the plots below it, and the differences from the
// accepted results.
func (r *report) print(w io.Writer, accepted string) {
	was := accept(accepted)
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options.SeparateRows = false
	t.AppendHeader(table.Row{"scenario", "what", "limit", "hodei", "ratio", "at least", "aim", "", "accepted", "peers"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: 44, WidthMaxEnforcer: text.WrapSoft}})
	for _, row := range r.Rows {
		t.AppendRow(table.Row{row.Scenario, row.What, row.show(row.Limit, row.Unit), row.show(row.Hodei, row.Unit),
			row.show(row.Ratio, "×"), mark(row.AtLeast), mark(row.Aim), row.verdict(), was[row.Scenario+row.What], row.others()})
	}
	fmt.Fprintf(w, "\n%s\n%s, commit %s\nSettings on in every Postgres: %s\nMedian of %d (lowest–highest)\n",
		r.Machine, r.At.Format(time.RFC3339), r.Commit, strings.Join(settings, ", "), r.Turns)
	t.Render()
	for _, row := range r.Rows {
		if row.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", row.Scenario, row.Note)
		}
		if row.Plot != "" {
			fmt.Fprintf(w, "\n%s\n%s\n", row.Scenario, row.Plot)
		}
	}
	for name, why := range r.Failures {
		fmt.Fprintf(w, "FAILED %s: %s\n", name, why)
	}
}

// others lists each peer and the ratio of Hodei's value to it.
func (r row) others() string {
	var list []string
	for name, s := range r.Peers {
		list = append(list, fmt.Sprintf("%s %s: hodei %s", name, r.show(s, r.Unit), r.show(r.ByPeer[name], "×")))
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// show formats a spread.
func (r row) show(s *spread, unit string) string {
	if s == nil {
		return ""
	}
	if len(s.All) == 1 {
		return number(s.Median) + " " + unit
	}
	return fmt.Sprintf("%s %s (%s–%s)", number(s.Median), unit, number(s.Min), number(s.Max))
}

// number formats with three significant digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func mark(v float64) string {
	if v == 0 {
		return ""
	}
	return number(v)
}

// accept reads the last accepted ratios or values.
func accept(path string) map[string]string {
	list := map[string]string{}
	body, err := os.ReadFile(path)
	var r report
	if err != nil || json.Unmarshal(body, &r) != nil {
		return list
	}
	for _, row := range r.Rows {
		if v := row.judged(); v != nil {
			list[row.Scenario+row.What] = number(v.Median)
		}
	}
	return list
}
