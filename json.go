package hodei

import (
	"bytes"
	"encoding/json"
)

// JSON encodes like json.Marshal but does not escape <, > and &: commands and
// their output contain many, and Hodei never embeds JSON in HTML.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
