package main

import (
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

// newLog logs to standard error: text on a terminal, JSON otherwise.
func newLog(level string) (*slog.Logger, error) {
	var at slog.Level
	if err := at.UnmarshalText([]byte(level)); err != nil {
		return nil, cmdline.Usagef("--log-level: debug, info, warn or error required")
	}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: at, TimeFormat: "15:04:05.000", NoColor: os.Getenv("NO_COLOR") != ""})), nil
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: at})), nil
}
