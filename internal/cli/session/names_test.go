package session

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestKnownAsksLittle: the second id costs a list, and ids that the list has cost nothing.
func TestKnownAsksLittle(t *testing.T) {
	var asked []string
	var k known[string, string]
	find := func(id string) *string {
		return k.find(id, func() (string, error) {
			asked = append(asked, id)
			switch id {
			case "gone":
				return "", hodei.Missing("pipeline", id)
			case "secret":
				return "", hodei.Errorf(hodei.Forbidden, "not yours")
			}
			return id, nil
		}, func() ([]string, error) {
			asked = append(asked, "list")
			return []string{"b", "c"}, nil
		}, func(s string) string { return s })
	}
	for _, id := range []string{"a", "a", "b", "c", "old", "gone", "secret", "a", "gone", "secret"} {
		want := &id
		if id == "gone" || id == "secret" {
			want = nil
		}
		require.Equal(t, want, find(id))
	}
	require.Equal(t, []string{"a", "list", "old", "gone", "secret"}, asked)
}

// After a failure no row waits for another one; the next look of --watch asks again.
func TestKnownStopsAtAFailure(t *testing.T) {
	asked := 0
	n := &names{}
	find := func() *hodei.Pipeline {
		return n.pipelines.find(hodei.PipelineID{}, func() (p hodei.Pipeline, err error) {
			asked++
			return p, hodei.Errorf(hodei.Unavailable, "away")
		}, nil, nil)
	}
	require.Nil(t, find())
	require.Nil(t, find())
	require.Equal(t, 1, asked)
	n.unavailable(false)
	require.Nil(t, find())
	require.Equal(t, 2, asked)
}
