package follow

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// place is how far a reader is in the logs of one job of a run: the first attempts are done,
// and of the next one the lines up to last.
type place struct {
	at   int // of the job in the run, see partAt
	done bool
	// attempt is the one being read, from 1.
	attempt int
	last    int64
}

// begun reports whether anything was read. What was not has no part in a position.
func (p place) begun() bool { return p.done || p.attempt > 1 || p.last > 0 }

// partAt numbers the jobs of a run for positions: the jobs of the definition, and in each the
// legs of its matrix. The numbers do not change when a job is replaced by its legs.
func partAt(job, leg int) int { return job*hodei.MaxLegs + leg }

const (
	// positionVersion is the first byte of an encoded position.
	positionVersion = 1
	// maxPosition bounds the text of a position, far above that of the largest run.
	maxPosition = 48 << 10
)

// The encoded position is positionVersion and a list of entries in ascending order, all of
// varints: the distance from the end of the previous entry, and a length. A length of n > 0
// means that the next n numbers are done; 0 is followed by the attempt and the line of one
// job. In a run whose jobs end in the order of the definition this is one entry for all that
// are done, and one for each job that runs.

// appendPlaces encodes the places, which are in ascending order, after the number from. It
// returns the number after the last.
func appendPlaces(dst []byte, from int, places []place) ([]byte, int) {
	for i := 0; i < len(places); i++ {
		p := places[i]
		if !p.begun() {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(p.at-from))
		if !p.done {
			dst = binary.AppendUvarint(dst, 0)
			dst = binary.AppendUvarint(dst, uint64(p.attempt))
			dst = binary.AppendUvarint(dst, uint64(p.last))
			from = p.at + 1
			continue
		}
		for i+1 < len(places) && places[i+1].done {
			i++
		}
		from = places[i].at + 1
		dst = binary.AppendUvarint(dst, uint64(from-p.at))
	}
	return dst, from
}

// position is an encoded position without the entry of one job, whose lines are being read.
type position struct {
	before, after []byte
	from          int // the number after before
	of            place
}

// newPosition prepares the positions of a job's lines.
func newPosition(places []place, of int) position {
	p := position{of: places[of]}
	p.before, p.from = appendPlaces([]byte{positionVersion}, 0, places[:of])
	p.after, _ = appendPlaces(nil, p.of.at+1, places[of+1:])
	return p
}

// appendTo appends the text of the position after the line with the sequence.
func (p position) appendTo(dst []byte, sequence int64) []byte {
	var room [128]byte
	p.of.last = sequence
	raw := append(room[:0], p.before...)
	raw, next := appendPlaces(raw, p.from, []place{p.of})
	if next == p.from { // nothing of the job was read, so after begins elsewhere
		raw = binary.AppendUvarint(raw, uint64(p.of.at-p.from))
		raw = append(raw, 0, 1, 0)
	}
	return base64.RawURLEncoding.AppendEncode(dst, append(raw, p.after...))
}

// parsePosition decodes a position. The result has the entries by number, and the ranges of
// what is done.
func parsePosition(text string) (at map[int]place, done []span, err error) {
	wrong := hodei.InvalidField("Last-Event-ID", "not a position of this stream")
	raw, decodeErr := base64.RawURLEncoding.DecodeString(text)
	if decodeErr != nil || len(text) > maxPosition || len(raw) == 0 || raw[0] != positionVersion {
		return nil, nil, wrong
	}
	raw = raw[1:]
	next := func(most uint64) int64 {
		n, size := binary.Uvarint(raw)
		if size <= 0 || n > most {
			err = wrong
			return 0
		}
		raw = raw[size:]
		return int64(n)
	}
	at = map[int]place{}
	for from := 0; len(raw) > 0 && err == nil; {
		first := from + int(next(math.MaxInt32))
		length := int(next(math.MaxInt32))
		if from = first + length; from > math.MaxInt32 {
			return nil, nil, wrong
		}
		if length > 0 {
			done = append(done, span{first, from})
			continue
		}
		at[first] = place{at: first, attempt: int(next(math.MaxInt32)), last: next(hodei.MaxSequence)}
		from++
		if at[first].attempt < 1 {
			return nil, nil, wrong
		}
	}
	return at, done, err
}

// span is the numbers from first to before end.
type span struct{ first, end int }

func covered(spans []span, at int) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.first <= at && at < s.end })
}
