package test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConsoleHostileText displays names and output that could mislead: a link
// whose text differs from its address, and characters that reverse the text or
// are invisible.
func TestConsoleHostileText(t *testing.T) {
	t.Parallel()
	s := up(t)
	name := "evil\u202egpj.exe\x1b[31m\x07 \u2066\u009b end"
	const shown = "evil\ufffdgpj.exe\ufffd[31m\ufffd \ufffd\ufffd end"
	body, err := json.Marshal(object{"name": name, "description": name})
	require.NoError(t, err)
	status, pipeline := call(t, "POST", s.orchestrator+"/api/v1/pipelines", string(body))
	require.Equal(t, 201, status, pipeline)
	require.Equal(t, name, pipeline["name"], "the record is as it was given")

	p := browse(t, s.orchestrator)
	for _, path := range []string{"/pipelines", "/pipelines/" + pipeline["id"].(string)} {
		p.open(path)
		p.sees(shown)
		require.False(t, eval[bool](p, `/[\u0007\u001b\u009b\u202e\u2066]/.test(document.body.innerText + document.title)`), path)
	}

	id := s.execute(`printf '\033]8;;http://bank.example/\033\\https://good.example\033]8;;\033\\\n'
		printf '\033]8;;https://good.example/a\033\\https://good.example\033]8;;\033\\\n'
		printf '\033]8;;https://good.example/\033\\click\033]8;;\033\\\n'
		printf '\033]8;;https://good.example@bank.example/\033\\https://good.example/\033]8;;\033\\\n'
		printf '\342\200\256gpj.exe\n'`)
	s.ended(id)
	p.open("/executions/" + id)
	p.until("the log is shown", "document.querySelectorAll('.log-text').length >= 5")
	require.Equal(t, []string{"bank.example", "", "good.example", "bank.example"},
		eval[[]string](p, `[...document.querySelectorAll('.log-text a')].map((a) => a.dataset.host ?? '')`))
	require.NotEqual(t, "none", eval[string](p, "getComputedStyle(document.querySelector('.log-text a'), '::after').content"))
	require.Equal(t, "http://bank.example/", eval[string](p, "document.querySelector('.log-text a').title"))
	require.Equal(t, "\ufffdgpj.exe", p.lines()["5"])
	require.False(t, eval[bool](p, `/[\u202e]/.test(document.body.innerText + document.title)`))
}
