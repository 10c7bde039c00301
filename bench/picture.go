package main

import (
	"fmt"
	"strings"
)

// picture draws the processor time of one execution by part, as SVG: for each
// part one bar for one of each role, and one for two of each. It returns "" if
// the report has no such rows.
func (r *report) picture() string {
	var drawn []row
	for _, row := range r.Rows {
		if len(row.Parts) > 0 {
			drawn = append(drawn, row)
		}
	}
	if len(drawn) != len(layouts) {
		return ""
	}
	most := 0.0
	for _, row := range drawn {
		for _, µs := range row.Parts {
			most = max(most, µs)
		}
	}
	const left, width, thick, step = 150, 460, 12, 38
	var b strings.Builder
	high := 60 + step*len(costParts)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 %d" font-family="system-ui, sans-serif" font-size="13">
<title>Processor time of one execution, by part</title>
<style>text { fill: #1f2328 } .a { fill: #0969da } .b { fill: #80b4ea } @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .b { fill: #2b5d95 } }</style>
`, high)
	for i, l := range layouts {
		fmt.Fprintf(&b, `<rect class="%c" x="%d" y="12" width="12" height="12"/><text x="%d" y="23">%s</text>`+"\n", 'a'+i, left+i*130, left+18+i*130, l.what)
	}
	for i, part := range costParts {
		y := 44 + i*step
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-10, y+thick+4, part)
		for j, row := range drawn {
			µs := row.Parts[part]
			at, long := y+j*(thick+1), µs/most*width
			fmt.Fprintf(&b, `<rect class="%c" x="%d" y="%d" width="%.1f" height="%d"/><text x="%.1f" y="%d" font-size="11">%.0f µs</text>`+"\n",
				'a'+j, left, at, long, thick, left+long+5, at+thick-2, µs)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}
