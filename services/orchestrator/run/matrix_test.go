package run

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

// names are those of the jobs.
func names(r *hodei.Run) (list []string) {
	for _, j := range r.Jobs {
		list = append(list, text(j.Name))
	}
	return list
}

// TestARerunNamesTheLegsOfAnOutput anew, also after one that reused them.
func TestARerunNamesTheLegsOfAnOutput(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("list", ""), job("other", ""),
		job("t", "list", matrix(hodei.Matrix{From: "needs.list.outputs.legs"}), named("test ${{ matrix.item }}"))).
		ends("list", `legs=["a", "b"]`).ends("t[item=a]").ends("t[item=b]").ends("other", "FAILED")
	require.Equal(t, []string{"", "", "test a", "test b"}, names(s.r))
	reused := &hodei.Run{Number: 2, Status: hodei.RunRunning}
	require.NoError(t, Rerun(reused, *s.r, nil))
	s = scene{t, newWorld(t, reused, false)}.ends("other")
	require.Equal(t, []string{"", "", "test a", "test b"}, names(s.r))
	again := &hodei.Run{Number: 3, Status: hodei.RunRunning}
	require.NoError(t, Rerun(again, *s.r, []string{"list"}))
	require.Equal(t, []string{"", "", "test ${{ matrix.item }}"}, names(again))
	s = scene{t, newWorld(t, again, false)}.ends("list", `legs=["c", "d"]`)
	require.Equal(t, []string{"", "", "test c", "test d"}, names(s.r))
}

// TestLegsOfAnyOutputCanBeStored or are refused: the key of a leg is text in an index.
func TestLegsOfAnyOutputCanBeStored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringN(0, 1, 2000), rapid.SampledFrom([]string{"\x00", strings.Repeat("x", 1018)}))
		axis := rapid.OneOf(rapid.SampledFrom([]string{"os", "go-version", "1", "", "a b"}), rapid.String())
		var list any = rapid.SliceOfN(value, 0, 5).Draw(t, "scalars")
		if rapid.Bool().Draw(t, "objects") {
			list = rapid.SliceOfN(rapid.MapOfN(axis, value, 0, 3), 0, 5).Draw(t, "legs")
		}
		output, err := json.Marshal(list)
		require.NoError(t, err)
		legs, err := legsFrom(string(output))
		if err != nil {
			require.ErrorIs(t, err, hodei.Invalid)
			require.NotContains(t, Issue(err), "\x00", "the job shows it")
			return
		}
		for _, leg := range legs {
			require.LessOrEqual(t, len(leg.String()), 1024)
			require.NotContains(t, leg.String(), "\x00")
			for axis := range leg {
				require.Regexp(t, `^[A-Za-z_][A-Za-z0-9_-]{0,99}$`, axis)
			}
		}
	})
}
