package main

import (
	"context"
	"os"
)

// addMasks adds five values to mask, and becomes the program that follows.
const addMasks = `for v in ghp_0123456789abcdefABCDEF hunter2hunter2hunter2 AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY 'correct horse battery staple'; do
  echo "::add-mask::$v"
done
exec /bin/cat "$0"`

// masking compares the log of one job that has five secrets with that of one without.
func masking(ctx context.Context, b *bench) ([]row, error) {
	n := b.scale(2_000_000, 400_000)
	text, err := b.text(n)
	if err != nil {
		return nil, err
	}
	defer os.Remove(text)
	var s series
	for turn := range b.turns {
		without, err := b.logged(ctx, execute("/bin/cat", text), text, n, 1, false)
		if err != nil {
			return nil, err
		}
		with, err := b.logged(ctx, execute("/bin/sh", "-c", addMasks, text), text, n, 1, turn == 0)
		if err != nil {
			return nil, err
		}
		s.limit = append(s.limit, float64(n)/without.Seconds())
		s.hodei = append(s.hodei, float64(n)/with.Seconds())
	}
	return []row{s.fill(row{Scenario: "logs, 5 secrets", What: "one job of `logs`, with five secrets to mask", Unit: "lines/s",
		AtLeast: 0.9, Aim: 0.95, Note: "the limit is Hodei without secrets"})}, nil
}
