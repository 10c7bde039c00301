package postgres

import (
	"encoding"
	"fmt"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Page requests Size records after Cursor.
type Page struct {
	Cursor string
	Size   int
}

// Between selects records created in [From, To). nil sets no limit.
type Between struct{ From, To *time.Time }

// PageBytes limits the JSON of a page's records, unless the first record alone
// exceeds it. Within a reply of 1 MiB it leaves room for fields that the
// service adds.
const PageBytes = 1<<20 - 64<<10

// Fill counts the JSON of a page against PageBytes.
type Fill struct{ bytes int }

// Takes reports whether the record fits, and counts it. The first record always
// fits.
func (f *Fill) Takes(record any) (bool, error) {
	body, err := hodei.JSON(record)
	if err != nil {
		return false, fmt.Errorf("measure a page: %w", err)
	}
	fits := f.bytes == 0 || f.bytes+len(body) < PageBytes
	f.bytes += len(body) + 1 // and a comma
	return fits, nil
}

// rowsAtOnce is how many rows of a list are read at once, which bounds the memory
// that a page of large records takes before it is cut.
const rowsAtOnce = 100

// list reads a page and the cursor of the next page. Lists are in order of id,
// newest first, so new rows do not shift pages.
func list[T, I any, P interface {
	*I
	encoding.TextUnmarshaler
	fmt.Stringer
}](p Page, id func(T) I, read func(from P, limit int) ([]T, error)) (items []T, next *string, err error) {
	items = []T{}
	from, err := after[I, P](p.Cursor)
	if err != nil {
		return nil, nil, err
	}
	for fill := (Fill{}); ; {
		limit := min(p.Size+1-len(items), rowsAtOnce)
		rows, err := read(from, limit)
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			fits, err := fill.Takes(row)
			if err != nil {
				return nil, nil, err
			}
			if !fits || len(items) == p.Size {
				return items, new(from.String()), nil
			}
			last := id(row)
			items, from = append(items, row), &last
		}
		if len(rows) < limit {
			return items, nil, nil
		}
	}
}

// after parses a cursor. The empty cursor is the start of the list.
func after[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](cursor string) (P, error) {
	if cursor == "" {
		return nil, nil
	}
	id := P(new(T))
	if err := id.UnmarshalText([]byte(cursor)); err != nil {
		return nil, hodei.InvalidField("cursor", "not a cursor of this list")
	}
	return id, nil
}
