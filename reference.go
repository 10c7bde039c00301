package hodei

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Reference finds the references ${{ … }} in a text. Its first group is the name, such as
// params.env.
var Reference = regexp.MustCompile(`\$\{\{\s*([^{}]*?)\s*\}\}`)

var (
	fileHash = regexp.MustCompile(`^file_hash\(\s*'[^']+'(\s*,\s*'[^']+')*\s*\)$`)
	quoted   = regexp.MustCompile(`'([^']+)'`)
)

// IsFileHash reports whether a reference is file_hash(…), which the worker replaces with the
// digest of the files.
func IsFileHash(name string) bool { return strings.HasPrefix(name, "file_hash") }

// FileHash returns the globs of a reference file_hash('go.sum', …); nil for other references.
func FileHash(name string) (globs []string) {
	if !fileHash.MatchString(name) {
		return nil
	}
	for _, found := range quoted.FindAllStringSubmatch(name, -1) {
		globs = append(globs, found[1])
	}
	return globs
}

// RunFields are the values of run.*, each HODEI_ and the name in upper case in the
// environment (RUN_ID and RUN_NUMBER for the first two).
var RunFields = []string{"id", "number", "pipeline", "trigger", "ref", "branch", "tag", "base_branch", "pull_request", "commit", "scheduled_at"}

// RunVariable is the environment variable that has a value of run.*.
func RunVariable(field string) string {
	if field == "id" || field == "number" {
		field = "run_" + field
	}
	return "HODEI_" + strings.ToUpper(field)
}

// ownVariables are the environment variables that Hodei sets for commands, beside those of RunFields.
var ownVariables = []string{
	"HODEI_ATTEMPT", "HODEI_EXECUTION_ID", "HODEI_JOB", "HODEI_JOB_ID", "HODEI_NEEDS", "HODEI_OUTPUT", "HODEI_PIPELINE_ID",
	"HODEI_STATUS", "HODEI_UPLOADS", "HODEI_WORKER_ID", "HODEI_WORKER_TAG",
}

// IsSet reports whether Hodei sets the environment variable for commands, so that no
// environment and no secret may have its name.
func IsSet(variable string) bool {
	return slices.Contains(ownVariables, variable) ||
		slices.ContainsFunc(RunFields, func(field string) bool { return RunVariable(field) == variable })
}

// VariableName is a name as part of the name of a variable: in upper case, each character
// that is no letter and no digit an underscore.
func VariableName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, name)
}

// Issue returns the problem of a value of the param, "" if it is valid.
func (p Param) Issue(value Scalar) string {
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, value) {
		choices := make([]string, len(p.Enum))
		for i, choice := range p.Enum {
			choices[i] = string(choice)
		}
		return fmt.Sprintf("%q is not one of %s", Clip(string(value), maxQuoted), strings.Join(choices, ", "))
	}
	switch p.Type {
	case "number":
		if _, err := strconv.ParseFloat(string(value), 64); err != nil {
			return fmt.Sprintf("a number is required, not %q", Clip(string(value), maxQuoted))
		}
	case "boolean":
		if value != "true" && value != "false" {
			return fmt.Sprintf("true or false is required, not %q", Clip(string(value), maxQuoted))
		}
	}
	return ""
}
