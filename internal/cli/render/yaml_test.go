package render

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAsYAML(t *testing.T) {
	got, err := YAML([]byte(`{"z":"yes","a":[1,{"b":null}],"text":"two\nlines","n":"12","e":{},"l":[],"f":1.5,"u":"ñ"}`))
	require.NoError(t, err)
	require.Equal(t, "z: \"yes\"\na:\n  - 1\n  - b: null\ntext: |-\n  two\n  lines\n\"n\": \"12\"\ne: {}\nl: []\nf: 1.5\nu: ñ\n", string(got))
}

func TestIDsOf(t *testing.T) {
	for body, want := range map[string]string{
		`{"items":[{"id":"a"},{"execution_id":"b","job_id":"x"}],"next_cursor":null}`: "a\nb\n",
		`{"id":"a","worker_id":"w"}`: "a\n",
		`{"worker_id":"w"}`:          "w\n",
		`{"items":[]}`:               "",
	} {
		got, err := IDs([]byte(body))
		require.NoError(t, err)
		require.Equal(t, want, string(got), body)
	}
}
