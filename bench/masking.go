package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"time"

	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

// addMasks adds five values to mask, and becomes the program that follows.
const addMasks = `for v in ghp_0123456789abcdefABCDEF hunter2hunter2hunter2 AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY 'correct horse battery staple'; do
  echo "::add-mask::$v"
done
exec /bin/cat "$0"`

// masker measures the masker alone, with fifty secrets of 20 to 39 characters that the text
// does not have, in writes of 32 KiB.
func masker(b *bench) row {
	set := &mask.Set{}
	for i := range 50 {
		sum := sha256.Sum256([]byte{byte(i)})
		set.Add(base64.RawStdEncoding.EncodeToString(sum[:])[:20+i%20])
	}
	var text []byte
	for i := 0; len(text) < 32<<10; i++ {
		text = fmt.Appendf(text, "line %08d of the output of a build that compiles and links things\n", i)
	}
	m := mask.NewMasker(set, func([]byte) {})
	var rates []float64
	for range b.turns {
		n, began := 0, time.Now()
		for time.Since(began) < time.Second {
			for range 100 {
				m.Write(text)
				n += len(text)
			}
		}
		rates = append(rates, float64(n)/1e6/time.Since(began).Seconds())
	}
	return row{Scenario: "masking", What: "the masker alone, 50 secrets, one core", Unit: "MB/s", Hodei: spreadOf(rates), AtLeast: 500, Aim: 700}
}

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
	return []row{masker(b), s.fill(row{Scenario: "logs, 5 secrets", What: "one job of `logs`, with five secrets to mask", Unit: "lines/s",
		AtLeast: 0.9, Aim: 0.95, Note: "the limit is Hodei without secrets"})}, nil
}
