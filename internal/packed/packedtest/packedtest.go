package packedtest

import (
	"bytes"
	"fmt"

	"github.com/hodei-jobs/hodei/internal/packed"
)

// Pack returns NDJSON, whose first line has the given sequence, as a frame of runs,
// unless it is too little to be packed. It panics when it is not the JSON of
// consecutive log lines.
func Pack(ndjson []byte, first int64) packed.Text {
	var lines packed.Lines
	var head []byte
	for line := range bytes.Lines(ndjson) {
		at := bytes.Index(line, []byte(`"line":"`)) + len(`"line":"`)
		end := bytes.LastIndex(line, []byte(`","sequence":`))
		if !bytes.Equal(head, line[:at]) {
			head = line[:at]
			lines = packed.AppendHead(lines, head)
		}
		if bytes.Contains(line[end:], []byte(`"partial"`)) {
			lines = append(lines, packed.Partial)
		}
		lines = append(append(lines, line[at:end]...), '\n')
	}
	text := lines.Pack(first, len(ndjson))
	if back, err := text.Unpack(first); err != nil || !bytes.Equal(back, ndjson) {
		panic(fmt.Sprintf("%q is not made again of its runs: %q, %v", ndjson, back, err))
	}
	return text
}
