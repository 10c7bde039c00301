package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newSet(t testing.TB, values ...string) *Set {
	t.Helper()
	s := &Set{}
	for _, v := range values {
		require.True(t, s.Add(v))
	}
	return s
}

// masked writes the parts one after the other.
func masked(s *Set, parts ...string) string {
	var out strings.Builder
	m := NewMasker(s, func(p []byte) { out.Write(p) })
	for _, p := range parts {
		m.Write([]byte(p))
	}
	m.Release()
	return out.String()
}

const token = `g"h/p_S3 cr3t<T>okén`

const pem = `-----BEGIN KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
end
-----END KEY-----
`

func TestFormsOfAValue(t *testing.T) {
	s := newSet(t, token)
	j, _ := json.Marshal(token)
	for name, text := range map[string]string{
		"plain": token, "json": strings.Trim(string(j), `"`), "python": `g\"h/p_S3 cr3t<T>ok\u00e9n`, "query": url.QueryEscape(token), "path": url.PathEscape(token),
		"lower": "g%22h%2fp_S3+cr3t%3cT%3eok%c3%a9n", "javascript": "g%22h%2Fp_S3%20cr3t%3CT%3Eok%C3%A9n",
	} {
		assert.Equal(t, "before *** after", masked(s, "before "+text+" after"), name)
	}
	for _, before := range []string{"", "a", "ab", "abc", "user:"} {
		for _, after := range []string{"", "x", "xy", "xyz"} {
			text := base64.StdEncoding.EncodeToString([]byte(before + token + after))
			left := strings.Split(masked(s, text), "***")
			require.Len(t, left, 2, text)
			assert.LessOrEqual(t, len(left[0]), (len(before)*8+5)/6+1, text)
			assert.LessOrEqual(t, len(left[1]), (len(after)*8+5)/6+4, text)
		}
	}
}

func TestSplitAnywhere(t *testing.T) {
	s := newSet(t, token, pem)
	for _, text := range []string{"a " + token + " b", "a " + pem + " b"} {
		whole := masked(s, text)
		assert.NotContains(t, whole, "cr3t")
		assert.NotContains(t, whole, "MIIE")
		for i := range text {
			assert.Equal(t, whole, masked(s, text[:i], text[i:]), i)
		}
	}
}

func TestAcrossLines(t *testing.T) {
	s := newSet(t, token, pem)
	assert.Equal(t, "***\n***", masked(s, token[:7]+"\n"+token[7:]))
	assert.Equal(t, "***\r\n***", masked(s, token[:7]+"\r\n", token[7:]))
	assert.Equal(t, "***\n***\n***\n***\n***\n", masked(s, pem))
	assert.Equal(t, "***\r\n***\r\n***\r\n***\r\n***\r\n", masked(s, strings.ReplaceAll(pem, "\n", "\r\n")), "as a terminal writes it")

	lines := strings.Split(pem, "\n")
	slices.Reverse(lines)
	assert.Equal(t, "\n***\nend\n***\n***\n***", masked(s, strings.Join(lines, "\n")), "each line by itself")

	encoded := base64.StdEncoding.EncodeToString([]byte("x" + pem + strings.Repeat("y", 30)))
	var wrapped strings.Builder
	for i := 0; i < len(encoded); i += 76 {
		wrapped.WriteString(encoded[i:min(i+76, len(encoded))] + "\n")
	}
	out := masked(s, wrapped.String())
	assert.Equal(t, 1+len(pem)*4/3/76, strings.Count(out, "***"), "base64 in lines: %s", out)
}

func TestWhatIsHeldBack(t *testing.T) {
	s := newSet(t, "secret-value")
	var out bytes.Buffer
	m := NewMasker(s, func(p []byte) { out.Write(p) })
	step := func(in, want string) {
		t.Helper()
		m.Write([]byte(in))
		require.Equal(t, want, out.String())
		out.Reset()
	}
	step("a line s\n", "a line s\n") // too little for a line to wait
	require.False(t, m.Holding())
	step("a line secre", "a line ")
	require.False(t, m.Holding())
	step("\n", "")
	require.True(t, m.Holding())
	m.Release()
	require.Equal(t, "secre\n", out.String(), "less than half")
	out.Reset()
	step("t-value.", "***.")

	step("secret", "")
	m.Release()
	require.Equal(t, "***", out.String(), "half of it")
	out.Reset()
	step("-value-secret-val", "-")
	m.Release()
	require.Equal(t, "***", out.String())
	out.Reset()
	step(" other", " other")
	step("secret-value\n", "***\n") // nothing can follow
}

func TestAddedWhileItRuns(t *testing.T) {
	s := &Set{}
	var out bytes.Buffer
	m := NewMasker(s, func(p []byte) { out.Write(p) })
	m.Write([]byte("hunter22 "))
	require.True(t, s.Add("hunter22"))
	m.Write([]byte("hunter22 hunt"))
	require.True(t, s.Add("huntsman"))
	m.Write([]byte("sman hunter22"))
	m.Release()
	require.Equal(t, "hunter22 *** *** ***", out.String())
	require.False(t, s.Add("short"))
	require.False(t, s.Add(" \n short \n "))
	require.Equal(t, "***, short", s.Mask("hunter22, short"))
	require.True(t, s.Contains("an aHVudGVyMjI="))
	require.False(t, s.Contains("an aHVudGVyM="))
}

// simple marks the bytes of every occurrence of the texts: it removes the line breaks,
// looks for each text, and marks what was found where it was. An occurrence is certain.
// A long beginning of a text may be marked too.
func simple(stream string, texts []string) (must, may []bool) {
	var chars []byte
	var at []int
	for i := range len(stream) {
		if !isBreak(rune(stream[i])) {
			chars, at = append(chars, stream[i]), append(at, i)
		}
	}
	must, may = make([]bool, len(stream)), make([]bool, len(stream))
	for _, text := range texts {
		for i := range chars {
			n := 0
			for n < len(text) && i+n < len(chars) && chars[i+n] == text[n] {
				n++
			}
			for k := range n {
				must[at[i+k]] = must[at[i+k]] || n == len(text)
				may[at[i+k]] = may[at[i+k]] || n == len(text) || n >= anchor || i+n == len(chars) && 2*n >= len(text)
			}
		}
	}
	return must, may
}

// render replaces marked bytes as the masker does.
func render(stream string, mark []bool) string {
	var b strings.Builder
	within := false
	for i := range len(stream) {
		switch {
		case isBreak(rune(stream[i])):
			b.WriteByte(stream[i])
			within = false
		case !mark[i]:
			b.WriteByte(stream[i])
			within = false
		case !within:
			b.WriteString("***")
			within = true
		}
	}
	return b.String()
}

// aligned reports whether out is the stream with at least the bytes of must and at most
// those of may masked.
func aligned(out, stream string, must, may []bool) bool {
	type place struct{ o, s, within int }
	todo, seen := []place{{}}, map[place]bool{}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[p] {
			continue
		}
		seen[p] = true
		if p.s == len(stream) {
			if p.o == len(out) {
				return true
			}
			continue
		}
		if !must[p.s] && p.o < len(out) && out[p.o] == stream[p.s] {
			todo = append(todo, place{p.o + 1, p.s + 1, 0})
		}
		if isBreak(rune(stream[p.s])) {
			if p.o < len(out) && out[p.o] == stream[p.s] {
				todo = append(todo, place{p.o + 1, p.s + 1, 0})
			}
			continue
		}
		if may[p.s] && p.within == 1 {
			todo = append(todo, place{p.o, p.s + 1, 1})
		}
		if may[p.s] && strings.HasPrefix(out[p.o:], "***") {
			todo = append(todo, place{p.o + 3, p.s + 1, 1})
		}
	}
	return false
}

func TestMaskerEqualsASimpleOne(t *testing.T) { rapid.Check(t, property) }

func FuzzMaskerEqualsASimpleOne(f *testing.F) { f.Fuzz(rapid.MakeFuzz(property)) }

func property(t *rapid.T) {
	letters := rapid.SampledFrom([]rune("aab\n/"))
	if rapid.Bool().Draw(t, "wide") {
		letters = rapid.SampledFrom([]rune("aab\"\\<é/+ \r\nß\x00"))
	}
	s := &Set{}
	var values []string
	for range rapid.IntRange(1, 4).Draw(t, "values") {
		v := rapid.StringOfN(letters, 6, rapid.SampledFrom([]int{7, 20, 120}).Draw(t, "long"), -1).Draw(t, "value")
		if s.Add(v) {
			values = append(values, v)
		}
	}
	var parts []string
	for range rapid.IntRange(1, 12).Draw(t, "parts") {
		part := rapid.StringOfN(letters, 0, 12, -1).Draw(t, "noise")
		if len(values) > 0 && rapid.Bool().Draw(t, "secret") {
			part = encoded(t, rapid.SampledFrom(values).Draw(t, "of"))
		}
		for rapid.Bool().Draw(t, "cut") && len(part) > 1 {
			at := rapid.IntRange(1, len(part)-1).Draw(t, "at")
			parts, part = append(parts, part[:at]), part[at:]
		}
		parts = append(parts, part)
	}
	stream := strings.Join(parts, "")
	must, may := simple(stream, s.texts)
	if out := masked(s, stream); !aligned(out, stream, must, may) {
		t.Fatalf("in one write: %q of %q, want %q", out, stream, render(stream, must))
	}
	for i, part := range parts { // a line is not held back for less
		if n := len(part); n > 0 && i+1 < len(parts) && strings.ContainsAny(part, "\r\n") {
			forgive(must, stream, s.texts, len(strings.Join(parts[:i+1], "")))
		}
	}
	if out := masked(s, parts...); !aligned(out, stream, must, may) {
		t.Fatalf("in parts: %q of %q, want %q", out, parts, render(stream, must))
	}
}

// forgive unmarks the up to three characters before a line break that precedes a cut.
func forgive(must []bool, stream string, texts []string, cut int) {
	at := strings.LastIndexAny(stream[:cut], "\r\n")
	for n := 1; n < lineBreakFrom && at > 0; {
		if at--; !isBreak(rune(stream[at])) {
			must[at] = false
			n++
		}
	}
}

func encoded(t *rapid.T, v string) string {
	before := rapid.SampledFrom([]string{"", "x", "xy"}).Draw(t, "before")
	switch rapid.IntRange(0, 6).Draw(t, "form") {
	case 0:
		return base64.StdEncoding.EncodeToString([]byte(before + v))
	case 1:
		return base64.RawURLEncoding.EncodeToString([]byte(before + v + "x"))
	case 2:
		return url.QueryEscape(v)
	case 3:
		j, _ := json.Marshal(before + v)
		return string(j)
	case 4:
		return v[:rapid.IntRange(0, len(v)).Draw(t, "most")]
	case 5:
		at := rapid.IntRange(0, len(v)).Draw(t, "wrapped")
		return v[:at] + "\n" + v[at:]
	}
	return v
}
