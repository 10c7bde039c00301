package run

import (
	"regexp"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// changes is the key of a condition on the paths that a push or a pull request
// changed. It is a list; for other triggers the condition holds.
const changes = "changes"

// holds reports whether one of the conditions holds: the globs of each key match its value.
// An empty list holds.
func holds(condition hodei.Conditions, values lookup) bool {
	if len(condition) == 0 {
		return true
	}
	for _, all := range condition {
		if holdsAll(all, values) {
			return true
		}
	}
	return false
}

func holdsAll(condition hodei.Condition, values lookup) bool {
	for name, globs := range condition {
		value, _ := values(name)
		if name == changes {
			if !changed(globs, value) {
				return false
			}
			continue
		}
		if !Match(globs, value) {
			return false
		}
	}
	return true
}

// changed reports whether one of the paths, each on its line, matches.
func changed(globs hodei.Globs, paths string) bool {
	if paths == "" {
		return true
	}
	for path := range strings.SplitSeq(paths, "\n") {
		if Match(globs, path) {
			return true
		}
	}
	return false
}

// Match reports whether one of the globs matches the value and no glob with a leading "!"
// does. If all globs have a leading "!", a value that none of them matches is matched.
func Match(globs hodei.Globs, value string) bool {
	positive, matched := false, false
	for _, glob := range globs {
		if not, ok := strings.CutPrefix(string(glob), "!"); ok {
			if matches(not, value) {
				return false
			}
			continue
		}
		positive = true
		matched = matched || matches(string(glob), value)
	}
	return matched || !positive
}

// matches reports whether the glob matches the value. "?" is one character and "*" any
// number of characters, except "/"; "**" includes "/".
func matches(glob, value string) bool {
	if !strings.ContainsAny(glob, "*?") {
		return glob == value
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(glob); i++ {
		switch {
		case strings.HasPrefix(glob[i:], "**/"):
			b.WriteString(`(?:.*/)?`)
			i += 2
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(`.*`)
			i++
		case glob[i] == '*':
			b.WriteString(`[^/]*`)
		case glob[i] == '?':
			b.WriteString(`[^/]`)
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	b.WriteString(`\z`)
	pattern, err := regexp.Compile(b.String())
	return err == nil && pattern.MatchString(value)
}
