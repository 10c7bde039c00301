package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConsoleFormKeepsTheRest: saving a job changes what was edited, and nothing else, whatever
// the job holds. What the form shows of it can be edited and saved.
func TestConsoleFormKeepsTheRest(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "0")
	p := browse(t, s.orchestrator)
	job := s.job(`{"name":"check","command":["[","-f","x","","]"],"environment":{"TEXT":"a\nb=c","BLANKS":"  x  ","EMPTY":"","EQUALS":"a=b"},
		"retries":{"max":3,"backoff_seconds":1.5,"on":["exit:75"]},"requirements":{"capacity":2,"labels":{"zone":"a "}},"priority":0,"timeout_seconds":2.5,"after":"date"}`)
	_, want := call(t, "GET", s.orchestrator+"/jobs/"+job, "")
	saved := func() {
		t.Helper()
		p.click("Save")
		p.at("/ui/jobs/" + job)
		_, got := call(t, "GET", s.orchestrator+"/jobs/"+job, "")
		want["updated_at"] = got["updated_at"]
		require.Equal(t, want, got)
		p.open("/jobs/" + job + "/edit")
	}
	p.open("/jobs/" + job + "/edit")
	p.fill("Description", "checks a file")
	want["description"] = "checks a file"
	saved()
	p.fill("Retries", "4")
	want["retries"].(object)["max"] = 4.0
	saved()
	p.fill("Slots", "3")
	want["requirements"].(object)["capacity"] = 3.0
	saved()
	p.edit("Command", `"x"`, `"y"`)
	want["command"].([]any)[2] = "y"
	saved()
	p.edit("Environment", `"a=b"`, `"c=d"`)
	want["environment"].(object)["EQUALS"] = "c=d"
	saved()
	p.edit("Labels", "zone=a ", "zone=b \nname=\"c\"")
	want["requirements"].(object)["labels"] = object{"zone": "b ", "name": `"c"`}
	saved()

	p.fill("Command", "[\n-f\nx\n]")
	p.click("Save")
	p.sees("must be JSON")
	p.fill("Command", `["true"]`)
	p.fill("Retries", "0")
	p.fill("Environment", " ")
	want["command"], want["retries"], want["environment"] = []any{"true"}, nil, object{}
	saved()
	p.click("Shell")
	want["command"] = "true"
	saved()
}

// edit replaces a part of the text in the field with that label.
func (p *page) edit(label, old, text string) {
	p.t.Helper()
	field := `[...document.querySelectorAll('label')].find((l) => l.innerText.trim() === ` + quote(label) + `)?.control`
	p.until("the field has a text", field+".value")
	whole := eval[string](p, field+".value")
	require.Contains(p.t, whole, old, label)
	p.fill(label, strings.Replace(whole, old, text, 1))
}
