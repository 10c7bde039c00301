package definition

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hodei-jobs/hodei"
)

// ParseJob reads one job in the form that it has in a definition, below its key. It returns
// the given fields as a JSON object with the names of the API; null removes a field. The
// caller checks nothing more: the service compares the job with the others of its pipeline.
func ParseJob(text []byte, format Format) (json.RawMessage, []hodei.Problem) {
	r := &reader{}
	root := r.read(text, format)
	if root == nil {
		return nil, r.list
	}
	d := &decoder{problems: &r.problems, places: map[string]*node{"": root}}
	job := d.job("", root, nil)
	all, err := fieldsOf(job)
	if err != nil {
		d.add(root, "", err.Error())
	}
	given := map[string]json.RawMessage{}
	for _, f := range root.fields {
		if rule := find(rules(reflect.TypeFor[hodei.JobDefinition]()), f.key.text); rule != nil {
			given[rule.json] = all[rule.json]
		}
	}
	if shell, ok := all["shell"]; ok && given["command"] != nil { // that of a script in a definition
		given["shell"] = shell
	}
	out, err := hodei.JSON(given)
	if err != nil {
		d.add(root, "", err.Error())
	}
	return out, inOrder(r.list)
}

// fieldsOf returns the fields of a job as the API names them, without those that have no value.
func fieldsOf(job hodei.JobDefinition) (all map[string]json.RawMessage, err error) {
	text, err := hodei.JSON(job)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the job: %w", err)
	}
	return all, nil
}
