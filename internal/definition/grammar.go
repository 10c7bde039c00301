package definition

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hodei-jobs/hodei"
)

// rule is a field of the grammar, as the tags of the Go field have it.
type rule struct {
	name  string // in the file
	json  string // in the API
	index []int
	typ   reflect.Type

	duration, size, short, key, keyed, required bool

	enum        []string
	pattern     *regexp.Regexp
	low, high   *float64
	above       bool // low itself is too low
	least, long int  // characters or items; 0 for no bound
	fallback    string
}

var grammar sync.Map // of []rule by reflect.Type

// rules are the fields of a struct in the order of the grammar.
func rules(typ reflect.Type) []rule {
	if known, ok := grammar.Load(typ); ok {
		return known.([]rule)
	}
	var all []rule
	for _, f := range reflect.VisibleFields(typ) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		r := rule{name: name, json: name, index: f.Index, typ: f.Type}
		if !r.file(f.Tag.Get("file")) {
			continue
		}
		r.bounds(f.Tag.Get("jsonschema"))
		all = append(all, r)
	}
	grammar.Store(typ, all)
	return all
}

// file reads the tag file; false for a field that the file does not have.
func (r *rule) file(tag string) bool {
	name, options, _ := strings.Cut(tag, ",")
	if name == "-" {
		return false
	}
	if name != "" {
		r.name = name
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "duration":
			r.duration = true
		case "size":
			r.size = true
		case "short":
			r.short = true
		case "key":
			r.key = true
		case "keyed":
			r.keyed = true
		default:
			r.bounds(option)
		}
	}
	return true
}

// bounds reads the tag jsonschema, or what the tag file has of its words: bounds that the
// schemas of records do not have.
func (r *rule) bounds(tag string) {
	number := func(text string) *float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic("the tag of " + r.json + ": " + err.Error())
		}
		return &f
	}
	for part := range strings.SplitSeq(tag, ",") {
		word, value, _ := strings.Cut(part, "=")
		switch word {
		case "required":
			r.required = true
		case "enum":
			r.enum = append(r.enum, value)
		case "pattern":
			r.pattern = regexp.MustCompile(strings.ReplaceAll(value, `\\`, `\`))
		case "minimum":
			r.low = number(value)
		case "exclusiveMinimum":
			r.low, r.above = number(value), true
		case "maximum":
			r.high = number(value)
		case "minLength", "minItems":
			r.least = int(*number(value))
		case "maxLength", "maxItems":
			r.long = int(*number(value))
		case "default":
			r.fallback = value
		}
	}
}

// find returns the rule of a field.
func find(all []rule, name string) *rule {
	if i := slices.IndexFunc(all, func(r rule) bool { return r.name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// foreign are words of other systems, and what the grammar calls it.
var foreign = map[string]string{
	"run": "command", "script": "command", "steps": "command", "commands": "command", "cmd": "command", "args": "command", "exec": "command",
	"depends_on": "needs", "dependsOn": "needs", "depends": "needs", "dependencies": "needs", "requires": "needs",
	"environment": "env", "variables": "env", "vars": "env", "environments": "env",
	"timeout_seconds": "timeout", "timeout-minutes": "timeout", "timeout_in_minutes": "timeout", "timeout_sec": "timeout",
	"continue-on-error": "allow_failure", "soft_fail": "allow_failure", "continue_on": "allow_failure",
	"retry": "retries", "retry_policy": "retries", "backoff_seconds": "backoff", "limit": "max", "keep_seconds": "keep", "expire_in": "keep",
	"image": "container", "runs-on": "requirements", "tags": "requirements", "agents": "requirements", "runner": "requirements",
	"strategy": "matrix", "parallel": "matrix", "stage": "needs", "stages": "needs", "after_script": "after", "post": "after",
	"on": "hooks", "cron": "schedules", "schedule": "schedules", "inputs": "params", "parameters": "params", "tasks": "jobs",
	"trigger": "pipeline", "uses": "pipeline", "working-directory": "working_dir", "dir": "working_dir", "cache": "caches", "secret": "secrets",
	"condition": "if", "rules": "if", "resource_group": "concurrency", "max-parallel": "max_parallel", "fail-fast": "fail_fast",
	"on_failure": "when", "handler_on": "finally", "notifications": "notify", "every_seconds": "every", "jitter_seconds": "jitter",
}

// suggest names the known word that an unknown one is likely to stand for.
func suggest(word string, known []string) string {
	if other, ok := foreign[word]; ok && slices.Contains(known, other) {
		return "; did you mean " + strconv.Quote(other) + "?"
	}
	if best := nearest(word, known); best != "" {
		return "; did you mean " + strconv.Quote(best) + "?"
	}
	return ""
}

// nearest is the word with the fewest edits, "" when all are far.
func nearest(word string, known []string) string {
	best, fewest := "", 1+max(1, len(word)/3)
	if len(word) < 3 || len(word) > 100 {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and exchanges of neighbours
// that lead from one word to the other.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// jobRules are the fields of a job.
func jobRules() []rule { return rules(reflect.TypeFor[hodei.JobDefinition]()) }
