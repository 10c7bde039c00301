package uploads

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable with the path of the directory, which may not exist.
const Variable = "HODEI_UPLOADS"

// Limits of what one execution uploads.
const (
	MaxUploads = 100
	maxName    = 100 // characters
	maxRecord  = 4 << 10
	recordType = ".json"
)

// Upload is the record of an upload.
type Upload struct {
	// Name is the name of the artifact.
	Name string `json:"name"`
	// KeepSeconds is how long the artifact is kept; null means as long as the run.
	KeepSeconds *float64 `json:"keep_seconds,omitempty"`
	// Content is the name of the archive in the directory.
	Content string `json:"content"`
}

// Check returns an error for users if the name or the time is not valid.
func (u Upload) Check() error {
	const tenYears = 10 * 365 * 24 * 3600
	switch {
	case u.Name == "" || utf8.RuneCountInString(u.Name) > maxName || !utf8.ValidString(u.Name) || strings.ContainsFunc(u.Name, unicode.IsControl):
		return fmt.Errorf("%q is no name of an artifact: up to %d characters are required, none of them a control character", u.Name, maxName)
	case u.KeepSeconds != nil && (*u.KeepSeconds <= 0 || *u.KeepSeconds > tenYears):
		return errors.New("an artifact is kept for more than 0 seconds and at most ten years")
	}
	return nil
}

// ErrTaken means that the execution has uploaded an artifact with this name already.
var ErrTaken = errors.New("this job has uploaded an artifact with this name already")

// Write adds an upload to the directory. Pack writes the archive; if it fails, nothing is
// uploaded.
func Write(dir string, u Upload, pack func(io.Writer) error) (err error) {
	if err := errors.Join(u.Check(), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	record := filepath.Join(dir, recordOf(u.Name))
	if _, err := os.Lstat(record); err == nil {
		return ErrTaken
	}
	content, err := create(dir, "content-*", pack)
	if err != nil {
		return err
	}
	u.Content = filepath.Base(content)
	written, err := create(dir, "record-*", func(to io.Writer) error { return json.NewEncoder(to).Encode(u) })
	if err == nil {
		err = errors.Join(os.Link(written, record), os.Remove(written))
	}
	if err != nil {
		_ = os.Remove(content) // the directory is removed with the execution
	}
	if errors.Is(err, fs.ErrExist) {
		return ErrTaken
	}
	return err
}

func recordOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:]) + recordType
}

// create writes a new file and returns its path.
func create(dir, pattern string, write func(io.Writer) error) (string, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// Read returns the uploads of a directory in the order of their names, none if there is no
// directory. Its errors are for users.
func Read(dir string) ([]Upload, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errors.New("the directory of uploads cannot be read")
	}
	defer root.Close()
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, errors.New("the directory of uploads cannot be read")
	}
	var found []Upload
	for _, entry := range list {
		if filepath.Ext(entry.Name()) != recordType {
			continue
		}
		if len(found) == MaxUploads {
			return nil, fmt.Errorf("more than %d artifacts were uploaded", MaxUploads)
		}
		u, err := read(root, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("upload %s: %w", entry.Name(), err)
		}
		found = append(found, u)
	}
	slices.SortFunc(found, func(a, b Upload) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

func read(root *os.Root, name string) (u Upload, err error) {
	f, err := regular(root, name)
	if err != nil {
		return u, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	switch {
	case err != nil || len(text) > maxRecord || json.Unmarshal(text, &u) != nil:
		return u, errors.New("its record is damaged")
	case recordOf(u.Name) != name:
		return u, errors.New("its record has another name")
	}
	return u, u.Check()
}

// Open opens the archive of an upload.
func Open(dir string, u Upload) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.New("the directory of uploads cannot be read")
	}
	defer root.Close()
	return regular(root, u.Content)
}

// regular opens a file of the directory, and returns an error if it is no regular file.
func regular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, errors.New("it cannot be read")
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.New("it is no regular file")
	}
	return f, nil
}
