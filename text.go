package hodei

import "strings"

// maxQuoted is the most characters of its input that a message repeats.
const maxQuoted = 64

// Clip returns at most that many characters of a text, as valid UTF-8. It ends with "…" if
// something is left out.
func Clip(text string, most int) string {
	count, cut := 0, 0
	for at := range text {
		if count++; count == most {
			cut = at
		} else if count > most {
			text = text[:cut] + "…"
			break
		}
	}
	return strings.ToValidUTF8(text, "")
}
