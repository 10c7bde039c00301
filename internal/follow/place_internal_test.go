package follow

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

// TestAPositionNamesWhatWasRead: the position after a line, decoded, has exactly what was read of
// each job, whatever the state of the others.
func TestAPositionNamesWhatWasRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 100_000), 1, 60, rapid.ID[int]).Draw(t, "numbers")
		slices.Sort(numbers)
		if rapid.Bool().Draw(t, "dense") {
			for i := range numbers {
				numbers[i] = i
			}
		}
		places := make([]place, len(numbers))
		for i, at := range numbers {
			places[i] = place{
				at: at, done: rapid.Bool().Draw(t, "done"), attempt: rapid.IntRange(1, 3).Draw(t, "attempt"),
				last: rapid.SampledFrom([]int64{0, 0, 1, 300, hodei.MaxSequence}).Draw(t, "last"),
			}
		}
		of := rapid.IntRange(0, len(places)-1).Draw(t, "of")
		places[of].done = false
		sequence := rapid.SampledFrom([]int64{0, 1, 1000, hodei.MaxSequence}).Draw(t, "sequence")
		text := string(newPosition(places, of).appendTo(nil, sequence))
		at, done, err := parsePosition(text)
		require.NoError(t, err)
		places[of].last = sequence
		for _, p := range places {
			require.Equal(t, p.done, covered(done, p.at))
			if got, ok := at[p.at]; !p.done && (ok || p.begun()) {
				require.Equal(t, place{at: p.at, attempt: p.attempt, last: p.last}, got)
			}
		}
		for i := range numbers { // a job that came later is not among those that are done
			if after := numbers[i] + 1; i+1 == len(numbers) || after < numbers[i+1] && !(places[i].done && places[i+1].done) {
				require.False(t, covered(done, after))
			}
		}
	})
}

// TestAPositionIsSmall: what is done takes one entry, in a run of a thousand jobs too.
func TestAPositionIsSmall(t *testing.T) {
	places := make([]place, 1000)
	for i := range places {
		places[i] = place{at: partAt(i, 0), done: i < 900, attempt: 1}
	}
	require.Less(t, len(newPosition(places, 900).appendTo(nil, 1_000_000)), 24)
}

func TestAPositionIsChecked(t *testing.T) {
	for _, text := range []string{"1", "AQ==", "!", "Ag", "AQE", "AQEB", "AQAA_____________w8", "AQEAAAA", "AQD_____DwE", strings.Repeat("A", maxPosition+1)} {
		_, _, err := parsePosition(text)
		if text == "AQEB" { // one job that is done
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, hodei.Invalid, text)
		require.Equal(t, "Last-Event-ID", hodei.AsError(err).Details.Field)
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("AQEB")
	f.Add(string(newPosition([]place{{at: 3, attempt: 2}}, 0).appendTo(nil, 7)))
	f.Fuzz(func(t *testing.T, text string) {
		at, _, err := parsePosition(text)
		require.True(t, err == nil || at == nil || err != nil)
	})
}
