package archive

import (
	"context"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// walker visits the files of a directory that the globs select, and the empty directories.
type walker struct {
	root  *os.Root
	globs Globs
	// skip is called for a directory that cannot be read.
	skip  func(name, why string)
	visit func(name string, kind fs.FileMode) error
}

// walk visits the selected paths of a directory in the order of their names, so the same files
// make the same archive. fs.WalkDir would refuse names that are not UTF-8.
func (w walker) walk(ctx context.Context, dir string) error {
	entries, err := w.entries(dir)
	switch {
	case err != nil && dir == ".":
		return err
	case err != nil:
		w.skip(dir, "cannot be read: "+cause(err).Error())
	case len(entries) == 0 && dir != "." && w.globs.Match(dir):
		return w.visit(dir, fs.ModeDir)
	}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		name := path.Join(dir, entry.Name())
		switch {
		case entry.IsDir() && w.globs.within(name):
			err = w.walk(ctx, name)
		case entry.IsDir() || !w.globs.Match(name):
		default:
			err = w.visit(name, entry.Type())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w walker) entries(dir string) ([]fs.DirEntry, error) {
	f, err := w.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}
