package hodei

import (
	"bytes"
	"encoding/json"
)

// JSON encodes as json.Marshal does, but leaves <, > and & as they are:
// commands and their output are full of them, and nothing of Hodei's is put
// into a page as it is.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
