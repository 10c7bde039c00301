package run

import (
	"testing"

	"github.com/stretchr/testify/require"

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
