package render

import (
	"bytes"
	"encoding/json"

	"go.yaml.in/yaml/v4"
)

// YAML is a JSON document as YAML, its fields in the same order.
func YAML(body []byte) ([]byte, error) {
	var doc yaml.Node // JSON is YAML written in flow style
	if err := yaml.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	if err := plainly(&doc); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

// plainly takes from a document the style of JSON; strings keep quotes where
// another reader might take them for something else.
func plainly(n *yaml.Node) error {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return n.Encode(n.Value)
	}
	for _, child := range n.Content {
		if err := plainly(child); err != nil {
			return err
		}
	}
	return nil
}

// IDs is the id of each record in a reply, one a line, for other commands to
// take.
func IDs(body []byte) ([]byte, error) {
	type record struct {
		ID          string `json:"id"`
		ExecutionID string `json:"execution_id"`
		WorkerID    string `json:"worker_id"`
	}
	var reply struct {
		record
		Items []record `json:"items"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, r := range append(reply.Items, reply.record) {
		for _, id := range []string{r.ID, r.ExecutionID, r.WorkerID} {
			if id != "" {
				out.WriteString(id + "\n")
				break
			}
		}
	}
	return out.Bytes(), nil
}
