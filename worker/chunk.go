package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
)

// chunk is a run of lines, both ends included, as NDJSON or packed.
type chunk struct {
	first, last int64
	size        int         // in bytes, as kept
	text        packed.Text // whose lines are nil when they are at offset in the spool file
	offset      int64
	due         time.Time     // when to send it again
	pause       time.Duration // between the last sending and that
	failures    int           // how often it was refused, or not read back
}

// said is the number of bytes of NDJSON.
func (c *chunk) said() int { return max(c.size, c.text.Size) }

// spoolFile holds the chunks of one execution that did not fit into memory. It
// only grows, until none of what it holds is needed; then it starts afresh.
type spoolFile struct {
	dir  string
	id   hodei.ExecutionID
	file *os.File // nil until something is spilled
	size int64
	held int // chunks still needed
}

// append writes the lines of a chunk and notes in it where they are.
func (f *spoolFile) append(c *chunk) (err error) {
	if f.file == nil {
		f.file, err = os.OpenFile(filepath.Join(f.dir, f.id.String()), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("create spool file: %w", err)
		}
	}
	if _, err := f.file.WriteAt(c.text.Lines, f.size); err != nil {
		return fmt.Errorf("append to spool file: %w", err)
	}
	c.text.Lines, c.offset = nil, f.size
	f.size += int64(c.size)
	f.held++
	return nil
}

// read returns the lines of a chunk, from memory or from the file.
func (f *spoolFile) read(c *chunk) (packed.Text, error) {
	text := c.text
	if text.Lines != nil {
		return text, nil
	}
	text.Lines = make([]byte, c.size)
	if _, err := f.file.ReadAt(text.Lines, c.offset); err != nil {
		return packed.Text{}, fmt.Errorf("read spool file: %w", err)
	}
	return text, nil
}

// done notes that one chunk is not needed any more and returns the number of
// bytes that became free.
func (f *spoolFile) done() (freed int64, err error) {
	if f.held--; f.held > 0 {
		return 0, nil
	}
	freed, f.size = f.size, 0
	if err := f.file.Truncate(0); err != nil {
		return freed, fmt.Errorf("truncate spool file: %w", err)
	}
	return freed, nil
}

// remove deletes the file, if there is one.
func (f *spoolFile) remove() error {
	if f.file == nil {
		return nil
	}
	_ = f.file.Close() // nothing in it is needed
	return os.Remove(f.file.Name())
}
