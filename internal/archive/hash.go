package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Hash returns a digest of the paths and contents of the selected regular files in a directory,
// and the number of these files. Permissions and times do not count. A link to a file in the
// directory counts as that file; other links and special files are ignored. A file that cannot
// be read is an error.
func Hash(ctx context.Context, root *os.Root, globs Globs) (sum [sha256.Size]byte, files int, err error) {
	var names []string
	w := walker{root: root, globs: globs}
	w.skip = func(name, why string) { err = errors.Join(err, fmt.Errorf("%q %s", name, why)) }
	w.visit = func(name string, kind fs.FileMode) error {
		if info, err := root.Stat(name); kind&fs.ModeSymlink != 0 && err == nil {
			kind = info.Mode().Type()
		}
		if kind.IsRegular() {
			names = append(names, name)
		}
		return nil
	}
	if walked := w.walk(ctx, "."); walked != nil || err != nil {
		return sum, 0, errors.Join(walked, err)
	}
	slices.Sort(names) // a walk has "a/b" before "a-b"
	all := sha256.New()
	for _, name := range names {
		one, err := hashFile(ctx, root, name)
		if err != nil {
			return sum, 0, fmt.Errorf("%q cannot be read: %w", name, cause(err))
		}
		fmt.Fprintf(all, "%s\x00%s", name, one)
	}
	return [sha256.Size]byte(all.Sum(nil)), len(names), nil
}

func hashFile(ctx context.Context, root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may have become a pipe
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), ctx.Err()
}
