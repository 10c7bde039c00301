package render

import (
	"regexp"

	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	gap   = "   " // between two columns
	tight = "  "  // between two columns of a table that is too wide
	name  = 20    // width of most names; longer texts are clipped first
)

var (
	// longID matches an id, and the job of a run that has no name: run_…/test.
	longID = regexp.MustCompile(`^[a-z]+_[0-9a-f-]{28}([0-9a-f]{8}(/.*)?)$`)
	// longTime matches a time with its distance from now, which is its short form.
	longTime = regexp.MustCompile(`^` + timePattern + ` \((.*)\)$`)
	// indivisible matches a time and the short form of an id: a part of them is of no use.
	indivisible = regexp.MustCompile(`^(?:` + timePattern + `|[0-9a-f]{8})$`)
)

const timePattern = `[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:Z|[+-][0-9:]{5})`

// fit makes a table at most width columns wide, where 0 stands for any width, and returns its rows, the header
// first, and the space between its columns. In a table that is too wide, ids and times take their short form. If
// that is not enough, the widest columns are clipped.
func fit(rows [][]string, width int) ([][]string, string) {
	if width == 0 || sum(widths(rows))+between(rows, gap) <= width {
		return rows, gap
	}
	rows = each(rows, func(_ int, cell string) string { return short(cell) })
	columns := widths(rows)
	if sum(columns)+between(rows, gap) <= width {
		return rows, gap
	}
	room := width - between(rows, tight)
	narrow(columns, room, floors(rows, name, 10))
	narrow(columns, room, floors(rows, 0, 12)) // statuses and numbers have less
	narrow(columns, room, floors(rows, 0, 6))
	return each(rows, func(i int, cell string) string { return text.Snip(cell, columns[i], "…") }), tight
}

// short returns the end of an id, as the console shows it, and the distance of a time from now.
func short(cell string) string {
	return longTime.ReplaceAllString(longID.ReplaceAllString(cell, "$1"), "$1")
}

// narrow lowers the widest of the widths until their sum is at most room, and none below its floor.
func narrow(widths []int, room int, floors []int) {
	for over := sum(widths) - room; over > 0; over-- {
		widest := -1
		for i, w := range widths {
			if w > floors[i] && (widest < 0 || w >= widths[widest]) { // of two, the left one has the name
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// floors returns the least width of each column: least, but no id and no time is clipped, nor a column that is at most
// spared wide.
func floors(rows [][]string, spared, least int) []int {
	all := widths(rows)
	for i, width := range all {
		if width <= spared {
			continue
		}
		all[i] = least
		for _, row := range rows {
			if indivisible.MatchString(row[i]) {
				all[i] = max(all[i], len(row[i]))
			}
		}
	}
	return all
}

// widths returns the width of each column, without the sequences that colour it.
func widths(rows [][]string) []int {
	all := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			all[i] = max(all[i], text.LongestLineLen(cell))
		}
	}
	return all
}

// each returns the rows with every cell changed.
func each(rows [][]string, change func(column int, cell string) string) [][]string {
	changed := make([][]string, len(rows))
	for r, row := range rows {
		changed[r] = make([]string, len(row))
		for i, cell := range row {
			changed[r][i] = change(i, cell)
		}
	}
	return changed
}

// between returns the width of all spaces between the columns.
func between(rows [][]string, space string) int { return len(space) * (len(rows[0]) - 1) }

func sum(widths []int) (total int) {
	for _, w := range widths {
		total += w
	}
	return total
}
