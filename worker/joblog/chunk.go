package joblog

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
)

// chunk contains the lines from first to last.
type chunk struct {
	first, last int64
	size        int           // of the body, in bytes
	body        logchunk.Body // its Lines are nil when they are at offset in the spool file
	offset      int64
	due         time.Time     // when to send it again
	pause       time.Duration // between the last transmission and due
	failures    int           // number of refusals and failed reads
}

// spoolFile contains the chunks of one execution that did not fit into memory.
// It grows until all its chunks are done, and is then emptied.
type spoolFile struct {
	dir  string
	id   hodei.ExecutionID
	file *os.File // nil until something is spilled
	size int64
	held int // chunks still needed
}

// append moves the lines of a chunk to the file.
func (f *spoolFile) append(c *chunk) (err error) {
	if f.file == nil {
		f.file, err = os.OpenFile(filepath.Join(f.dir, f.id.String()), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("create spool file: %w", err)
		}
	}
	if _, err := f.file.WriteAt(c.body.Lines, f.size); err != nil {
		return fmt.Errorf("append to spool file: %w", err)
	}
	c.body.Lines, c.offset = nil, f.size
	f.size += int64(c.size)
	f.held++
	return nil
}

// read returns the body of a chunk, from memory or from the file.
func (f *spoolFile) read(c *chunk) (logchunk.Body, error) {
	body := c.body
	if body.Lines != nil {
		return body, nil
	}
	body.Lines = make([]byte, c.size)
	if _, err := f.file.ReadAt(body.Lines, c.offset); err != nil {
		return logchunk.Body{}, fmt.Errorf("read spool file: %w", err)
	}
	return body, nil
}

// done releases one chunk and returns the number of bytes that became free.
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
	_ = f.file.Close() // its content is not needed
	return os.Remove(f.file.Name())
}
