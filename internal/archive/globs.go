package archive

import (
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Globs select paths below a directory: those that match one of the globs and none of the
// globs with a leading "!". ** matches directories, a directory selects everything in it, and
// a leading dot in a name has no meaning.
type Globs struct {
	include, exclude []string
	bases            []string // the directories in which a path can match
}

// NewGlobs parses globs, or returns an error for users.
func NewGlobs(patterns []string) (g Globs, err error) {
	for _, given := range patterns {
		text, not := strings.CutPrefix(given, "!")
		clean := path.Clean(text)
		if !doublestar.ValidatePattern(text) {
			return g, fmt.Errorf("%q is no glob", given)
		}
		all := []string{clean}
		if strings.HasSuffix(text, "/") || clean == "." || !strings.ContainsAny(clean, `*?[{\`) {
			all = append(all, path.Join(clean, "**"))
		}
		if not {
			g.exclude = append(g.exclude, all...)
			continue
		}
		base, _ := doublestar.SplitPattern(clean)
		if len(all) > 1 {
			base = clean
		}
		if strings.Contains(base, `\`) {
			base = "."
		}
		g.include, g.bases = append(g.include, all...), append(g.bases, base)
	}
	return g, nil
}

// Match reports whether a path is selected.
func (g Globs) Match(name string) bool { return matches(g.include, name) && !matches(g.exclude, name) }

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if doublestar.MatchUnvalidated(p, name) {
			return true
		}
	}
	return false
}

// within reports whether a path in the directory may be selected.
func (g Globs) within(dir string) bool {
	for _, base := range g.bases {
		if base == "." || base == dir || strings.HasPrefix(dir, base+"/") || strings.HasPrefix(base, dir+"/") {
			return true
		}
	}
	return false
}
