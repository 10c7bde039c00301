package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// Compare lists the differences between two definitions, in the order of the second. Jobs
// are compared with their defaults merged in.
func Compare(from, to hodei.Definition) []hodei.Change {
	var changes []hodei.Change
	compare(&changes, "", tree(from, false), tree(to, false))
	return changes
}

// Created lists what a new definition has: its jobs, and its settings as one change each.
func Created(def hodei.Definition) []hodei.Change {
	return Compare(hodei.Definition{}, def)
}

func compare(changes *[]hodei.Change, path string, from, to *node) {
	if path == "finally" { // its jobs are compared one by one
		from, to = section(from), section(to)
	}
	switch {
	case equal(from, to):
	case from == nil:
		*changes = append(*changes, hodei.Change{Field: path, Action: hodei.ChangeCreated, To: compact(to)})
	case to == nil:
		*changes = append(*changes, hodei.Change{Field: path, Action: hodei.ChangeDeleted, From: compact(from)})
	case from.kind == mapping && to.kind == mapping:
		for _, f := range to.fields {
			compare(changes, under(path, f.key.text), from.get(f.key.text), f.value)
		}
		for _, f := range from.fields {
			if to.get(f.key.text) == nil {
				compare(changes, under(path, f.key.text), f.value, nil)
			}
		}
	default:
		*changes = append(*changes, hodei.Change{Field: path, Action: hodei.ChangeChanged, From: compact(from), To: compact(to)})
	}
}

func section(n *node) *node {
	if n == nil {
		return &node{kind: mapping}
	}
	return n
}

func compact(n *node) json.RawMessage {
	var out bytes.Buffer
	if err := json.Compact(&out, rawJSON(n)); err != nil {
		panic(fmt.Sprintf("definition: %v", err)) // writeJSON writes JSON
	}
	return out.Bytes()
}

// JobKey is the key of the job that a change concerns, "" for a setting of the
// pipeline.
func JobKey(field string) string {
	section, rest, _ := strings.Cut(field, ".")
	if section != "jobs" && section != "finally" {
		return ""
	}
	key, _, _ := strings.Cut(rest, ".")
	return key
}
