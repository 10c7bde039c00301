package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// output prints the lines of all jobs, each whole and behind the key of its job: standard
// output to standard output, standard error to standard error.
type output struct {
	mu     sync.Mutex
	to     map[hodei.Stream]io.Writer
	json   bool
	colour bool
	width  int            // of the longest key that was seen
	order  map[string]int // keys by when they were first seen
}

func newOutput(s *session.Session, foot *render.Foot) *output {
	o := &output{
		to:   map[hodei.Stream]io.Writer{hodei.Stdout: render.ForTerminal(s.Out, foot), hodei.Stderr: render.ForTerminal(s.Errs, foot)},
		json: s.Format == "json", colour: render.InColor(s.Out), order: map[string]int{},
	}
	if o.json {
		o.to[hodei.Stderr] = o.to[hodei.Stdout]
	}
	return o
}

// know makes room for the key of a job.
func (o *output) know(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.order[key]; !known {
		o.order[key] = len(o.order)
		o.width = min(max(o.width, len([]rune(key))), 30)
	}
}

// print prints a line of the job's log. A long line comes in pieces, each with the key.
func (o *output) print(key string, l hodei.LogLine) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.to[l.Stream]
	if o.json {
		enc := json.NewEncoder(to)
		enc.SetEscapeHTML(false)
		return enc.Encode(schemas.RunLine{Job: key, LogLine: l})
	}
	text := strings.TrimRight(l.Line, "\r")
	text = text[strings.LastIndexByte(text, '\r')+1:] // or it would overwrite the key
	if _, err := fmt.Fprintf(to, "%s %s\n", o.prefix(key), text); err != nil {
		return err
	}
	if h, ok := to.(*render.Filter); ok { // the next line is another job's
		h.Reset()
	}
	return nil
}

func (o *output) prefix(key string) string {
	text := fmt.Sprintf("%-*s │", o.width, render.Clip(key, 30))
	if o.colour {
		return render.Prefix(o.order[key], text)
	}
	return text
}

// note prints a message above the foot, beside the data.
func (o *output) note(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.json {
		fmt.Fprintln(o.to[hodei.Stderr], text) // standard error is the last place to complain
	}
}
