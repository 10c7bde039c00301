package mask

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MinLength is the length, in bytes, of the shortest text that is masked. A shorter one
// occurs by chance in too many logs.
const MinLength = 6

// forms returns the texts to find for a value, without line breaks and without
// duplicates. Blanks around a value or a line do not count.
func forms(value string) []string {
	value = strings.TrimSpace(value)
	if len(value)-strings.Count(value, "\n")-strings.Count(value, "\r") < MinLength {
		return nil
	}
	texts := append(escaped(value), base64Forms(value)...)
	if lines := strings.FieldsFunc(value, isBreak); len(lines) > 1 {
		for _, line := range lines {
			texts = append(texts, escaped(strings.TrimSpace(line))...)
		}
	}
	seen := map[string]bool{}
	var kept []string
	for _, text := range texts {
		text = strings.NewReplacer("\r", "", "\n", "").Replace(text)
		if len(text) >= MinLength && !seen[text] {
			seen[text] = true
			kept = append(kept, text)
		}
	}
	return kept
}

func isBreak(r rune) bool { return r == '\n' || r == '\r' }

// escaped returns the text as it is, as JSON and as a part of a URL, each as the usual
// libraries write it.
func escaped(text string) []string {
	texts := []string{text}
	for _, html := range []bool{true, false} {
		j := jsonText(text, html)
		texts = append(texts, j, strings.ReplaceAll(j, "/", `\/`), ascii(j))
	}
	for _, keep := range unescaped {
		for _, hex := range []string{"0123456789ABCDEF", "0123456789abcdef"} {
			u := percent(text, keep, hex)
			texts = append(texts, u, strings.ReplaceAll(u, "%20", "+"))
		}
	}
	return texts
}

// unescaped are the characters, beside letters, digits and -_., that are not escaped in
// URLs: by RFC 3986, by quote of Python, in paths by Go, and by encodeURIComponent of
// JavaScript.
var unescaped = []string{"~", "~/", "~$&+=:@", "~!*'()"}

// percent escapes a text as a part of a URL.
func percent(text, keep, hex string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if letter || strings.IndexByte("-_."+keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&0xf]})
	}
	return b.String()
}

// jsonText returns the inside of a JSON string.
func jsonText(text string, html bool) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	_ = enc.Encode(text) // a string always encodes
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}

// ascii escapes all other characters, as the JSON of Python does.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// base64Forms returns the characters of base64 that depend on the value alone, wherever
// the value begins in what is encoded.
func base64Forms(value string) (texts []string) {
	for before, shared := range []int{0, 2, 3} {
		whole := append(make([]byte, before), value...)
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := alphabet.EncodeToString(whole)
			if complete := len(whole) * 8 / 6; complete > shared {
				texts = append(texts, text[shared:complete])
			}
		}
	}
	return texts
}
