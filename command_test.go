package hodei_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestCommandKeepsItsForm(t *testing.T) {
	for _, c := range []struct {
		body    string
		argv    []string
		display string
	}{
		{`"echo $HOME | wc"`, []string{"sh", "-c", "echo $HOME | wc"}, "echo $HOME | wc"},
		{`["echo"]`, []string{"echo"}, "echo"},
		{`["echo","a b","","it's"]`, []string{"echo", "a b", "", "it's"}, `echo 'a b' '' 'it'\''s'`},
	} {
		var command hodei.Command
		require.NoError(t, json.Unmarshal([]byte(c.body), &command))
		require.False(t, command.IsZero())
		require.Equal(t, c.argv, command.Argv())
		require.Equal(t, c.display, command.String())
		body, err := json.Marshal(command)
		require.NoError(t, err)
		require.JSONEq(t, c.body, string(body))
	}
}

func TestCommandMayBeAbsent(t *testing.T) {
	command := hodei.Command{Shell: "to be forgotten"}
	require.NoError(t, json.Unmarshal([]byte(`null`), &command))
	require.True(t, command.IsZero())
	body, err := json.Marshal(struct {
		Command hodei.Command `json:"command"`
	}{})
	require.NoError(t, err)
	require.Equal(t, `{"command":null}`, string(body))
}

func TestCommandRefuses(t *testing.T) {
	for _, body := range []string{`1`, `{}`, `true`, `["a",1]`, `["a",["b"]]`} {
		require.Error(t, json.Unmarshal([]byte(body), new(hodei.Command)), body)
	}
}
