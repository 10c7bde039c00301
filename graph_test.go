package hodei_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestFieldsWithAShortFormAreReadAndWrittenInBoth(t *testing.T) {
	for _, body := range []string{
		`{"needs":["build",{"job":"lint","artifacts":false}]}`,
		`{"if":{"params.env":"prod","run.branch":["main","!old"]}}`,
		`{"if":[{"params.env":"prod"},{"run.tag":"v*"}]}`,
		`{"allow_failure":true}`,
		`{"allow_failure":{"exit_codes":[2,3]}}`,
	} {
		var g hodei.Graph
		require.NoError(t, json.Unmarshal([]byte(body), &g), body)
		got, err := hodei.JSON(g)
		require.NoError(t, err)
		assert.Equal(t, body, string(got))
	}
	for _, body := range []string{
		`{"shell":"bash","secrets":["A",{"name":"PG","as":"PGPASSWORD"}]}`,
		`{"shell":["python3","-c"]}`,
	} {
		var s hodei.Setup
		require.NoError(t, json.Unmarshal([]byte(body), &s), body)
		got, err := hodei.JSON(s)
		require.NoError(t, err)
		assert.Equal(t, body, string(got))
	}
}

func TestScalarsKeepTheirText(t *testing.T) {
	var m hodei.Matrix
	require.NoError(t, json.Unmarshal([]byte(`{"values":{"go":[1.30,"1.26",true]}}`), &m))
	assert.Equal(t, []hodei.Scalar{"1.30", "1.26", "true"}, m.Values["go"])
	require.Error(t, json.Unmarshal([]byte(`{"values":{"go":[null]}}`), &m))
	require.Error(t, json.Unmarshal([]byte(`{"values":{"go":[[1]]}}`), &m))
}

func TestAMatrixIsTheProductWithoutExcludeAndWithInclude(t *testing.T) {
	m := hodei.Matrix{
		Values:  map[string][]hodei.Scalar{"os": {"linux", "darwin"}, "go": {"1.25", "1.26", "1.26"}},
		Exclude: []map[string]hodei.Scalar{{"os": "darwin", "go": "1.25"}, {}},
		Include: []map[string]hodei.Scalar{{"os": "windows", "go": "1.26"}, {"os": "linux", "go": "1.26"}},
	}
	var legs []string
	for _, leg := range m.Legs() {
		legs = append(legs, leg.String())
	}
	assert.Equal(t, []string{
		"[go=1.25,os=linux]", "[go=1.26,os=linux]", "[go=1.26,os=darwin]", "[go=1.26,os=windows]",
	}, legs)
}

func TestAShellIsAProgramThatTakesTheScript(t *testing.T) {
	assert.Equal(t, []string{"sh", "-c", "x"}, hodei.Shell{}.Argv("x"))
	assert.Equal(t, []string{"sh", "-ec", "x"}, hodei.Shell{Name: "sh"}.Argv("x"))
	assert.Equal(t, []string{"bash", "-eo", "pipefail", "-c", "x"}, hodei.Shell{Name: "bash"}.Argv("x"))
	assert.Equal(t, []string{"python3", "-c", "x"}, hodei.Shell{Args: []string{"python3", "-c"}}.Argv("x"))
}
