package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec/process"
)

// outputVariable contains the path of the file for a command's outputs. The
// file does not exist at first, so that the directories of a command without
// outputs stay empty.
const outputVariable = "HODEI_OUTPUT"

func outputFile(at process.Place) string { return filepath.Join(at.Tmp, ".hodei-output") }

// results reads the outputs of an ended command. A completed command fails if
// they cannot be read; the log has the reason.
func (r *run) results(at process.Place, end *hodei.Outcome) {
	outputs, err := readOutputs(outputFile(at))
	if err == nil {
		err = r.checkOutputs(outputs)
	}
	if err == nil {
		end.Outputs = outputs
		return
	}
	r.journal.Note("hodei: $" + outputVariable + ": " + hodei.Clip(r.secrets.Mask(err.Error()), 120)) // it may repeat a line
	if end.Status == hodei.Completed {
		end.Status, end.Reason = hodei.Failed, new(hodei.ReasonInvalidOutput)
	}
}

// readOutputs reads the file, which may be anything that a command can create.
// It returns nil if there is none.
func readOutputs(path string) (map[string]string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	body, err := io.ReadAll(io.LimitReader(file, hodei.MaxOutputs+1))
	switch {
	case err != nil:
		return nil, errors.New("cannot be read")
	case len(body) > hodei.MaxOutputs:
		return nil, fmt.Errorf("larger than %d KiB", hodei.MaxOutputs>>10)
	}
	return parseOutputs(string(body))
}

// parseOutputs reads lines name=value, and name<<END with the lines up to END.
func parseOutputs(text string) (map[string]string, error) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, errors.New("UTF-8 without NUL is required")
	}
	outputs := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, plain := strings.Cut(line, "=")
		if key, mark, here := strings.Cut(line, "<<"); here && (!plain || len(key) < len(name)) {
			var rest []string
			from := i + 1
			for i++; i < len(lines) && lines[i] != mark; i++ {
				rest = append(rest, lines[i])
			}
			if mark == "" || i == len(lines) {
				return nil, fmt.Errorf("line %d: the end of %s is missing", from, line)
			}
			name, value, plain = key, strings.Join(rest, "\n"), true
		}
		if !plain || !hodei.IsOutput(name) {
			return nil, fmt.Errorf("line %d: name=value is required, not %q", i+1, line)
		}
		outputs[name] = value
	}
	return outputs, nil
}
