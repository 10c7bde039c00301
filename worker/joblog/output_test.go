package joblog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

// masking returns a journal that masks the values.
func masking(t *testing.T, values ...string) (*Journal, *link) {
	secrets := &mask.Set{}
	for _, v := range values {
		require.True(t, secrets.Add(v))
	}
	l := &link{arrived: make(chan struct{}, 1)}
	var j *Journal
	j = New(hodei.ExecutionID{1}, NewSpool(t.TempDir(), 1<<20, 1<<20), localtest.Log(t), Limit{}, secrets,
		func(id hodei.ExecutionID, first, last int64, body logchunk.Body) error {
			defer func() { go j.Confirm(first, last) }() // the journal is locked
			return l.send(id, first, last, body)
		})
	return j, l
}

// lines returns the texts of what was sent.
func (l *link) lines(t *testing.T) (texts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(strings.Join(l.data, "")) {
		var line hodei.LogLine
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		texts = append(texts, string(line.Stream)+": "+line.Line)
	}
	return texts
}

func TestSecretsAreMaskedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // all of it is one chunk
		j, l := masking(t, "secret-value")
		now := time.Now()
		j.Append(hodei.Stdout, now, []byte("a secret-"))
		j.Append(hodei.Stderr, now, []byte("in between\n"))
		j.Append(hodei.Stdout, now, []byte("value\nsecret\n-value secret"))
		j.Note("hodei: secret-value: no such file")
		j.End(hodei.Stdout, now)
		j.End(hodei.Stderr, now)
		count, _ := j.Close()
		require.Equal(t, []string{
			"stderr: in between", "stdout: a ***", "stdout: ***", "stderr: hodei: ***: no such file", "stdout: *** ***",
		}, l.lines(t))
		require.EqualValues(t, 5, count)
	})
}

// Held back is only what may be part of a secret, and that for 50 ms. No chunk is confirmed here, so
// those after the first are cut after floodLinger.
func TestLinesWaitForTheRestOfASecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, l := masking(t, "secret-value")
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		j.Append(hodei.Stdout, time.Now(), []byte("a line\nand s\nthen secr\n"))
		wait(chunkLinger)
		require.Equal(t, []string{"stdout: a line", "stdout: and s"}, l.lines(t))
		wait(holdFor - chunkLinger - time.Millisecond)
		require.Len(t, l.lines(t), 2)
		wait(time.Millisecond + floodLinger)
		require.Equal(t, "stdout: then secr", l.lines(t)[2])
		j.Append(hodei.Stdout, time.Now(), []byte("et-value more sec\n"))
		wait(floodLinger)
		require.Equal(t, "stdout: *** more sec", l.lines(t)[3], "the rest of a value is masked")

		j.Append(hodei.Stdout, time.Now(), []byte("secre\n"))
		wait(holdFor / 2)
		j.Append(hodei.Stdout, time.Now(), []byte("t-\n"))
		wait(holdFor/2 + floodLinger)
		require.Equal(t, []string{"stdout: ***", "stdout: ***"}, l.lines(t)[4:], "held no longer than 50 ms altogether")
		j.Close()
	})
}

func TestOutputAddsValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // all of it is one chunk
		j, l := masking(t)
		for _, part := range []string{
			"first-one second-one\n::add-", "mask::first-one\n", "first-one second-one\n  ::add-mask::second-one\r\nsecond-one ::add-mask::third-one\n",
			"::add-mask", "ed\n::add-mask::line%0Aof several\nlineof several third-one\n", "::add-mask::short\n", ":", ": unrelated\n::add-mask::third-one",
		} {
			j.Append(hodei.Stdout, time.Now(), []byte(part))
		}
		j.End(hodei.Stdout, time.Now())
		j.Append(hodei.Stdout, time.Now(), []byte("third-one\n"))
		j.Close()
		require.Equal(t, []string{
			"stdout: first-one second-one", "stdout: *** second-one", "stdout: *** ::add-mask::third-one", "stdout: ::add-masked",
			"stdout: *** third-one", "stderr: hodei: mask: a value of fewer than 6 characters is not masked", "stdout: :: unrelated", "stdout: ***",
		}, l.lines(t))
	})
}

func TestTooLongAValueIsNotShownEither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // all of it is one chunk
		j, l := masking(t)
		long := strings.Repeat("0123456789abcdef", 20<<10)
		j.Append(hodei.Stdout, time.Now(), []byte("::add-mask::"))
		for len(long) > 0 {
			j.Append(hodei.Stdout, time.Now(), []byte(long[:8<<10]))
			long = long[8<<10:]
		}
		j.Append(hodei.Stdout, time.Now(), []byte("\nafter\n"))
		j.Close()
		require.Equal(t, []string{"stderr: hodei: mask: a value of more than 48 KiB cannot be masked", "stdout: after"}, l.lines(t))
	})
}

func TestAddedValuesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // all of it is one chunk
		j, l := masking(t, "of-the-execution")
		value := func(i int) string { return fmt.Sprintf("%d-%s", i, strings.Repeat("x", 32<<10-2)) }
		add := func(value string) { j.Append(hodei.Stdout, time.Now(), []byte("::add-mask::"+value+"\n")) }
		for i := range 9 {
			add(value(i)) // eight have 256 KiB
		}
		add(value(7))
		add("of-the-execution")
		j.Append(hodei.Stdout, time.Now(), []byte(value(7)+"\n"+value(8)[:20]+"\n"))
		j.Close()
		require.Equal(t, []string{
			"stderr: hodei: mask: more than 256 KiB of values: this one is not masked", "stdout: ***", "stdout: " + value(8)[:20],
		}, l.lines(t))
	})
}

func TestBlanksAreNotTheStartOfAValueForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, l := masking(t)
		blanks := strings.Repeat(" \t", maxIndent/2)
		for _, part := range []string{blanks, "::add-mask::first-one\n", blanks, " ", "::add-mask::second-one\n", "first-one second-one\n"} {
			j.Append(hodei.Stdout, time.Now(), []byte(part))
		}
		for range 60 {
			j.Append(hodei.Stdout, time.Now(), []byte(blanks))
		}
		j.Append(hodei.Stdout, time.Now(), []byte("end\n"))
		j.Close()
		text := strings.ReplaceAll(strings.Join(l.lines(t), ""), "stdout: ", "") // the splitter cuts long lines
		want := blanks + " ::add-mask::second-one*** second-one" + strings.Repeat(blanks, 60) + "end"
		require.True(t, text == want, "%d bytes instead of %d", len(text), len(want)) // too long to show
	})
}

// BenchmarkSecrets compares output with and without secrets.
func BenchmarkSecrets(b *testing.B) {
	text := []byte(strings.Repeat("2026-11-29 step 12345: compiled package 0123456789abcdef in 123 ms\n", 480))
	for name, values := range map[string][]string{"none": nil, "five": {
		"ghp_0123456789abcdefABCDEF", "hunter2hunter2", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "correct horse battery staple",
	}} {
		b.Run(name, func(b *testing.B) {
			secrets := &mask.Set{}
			for _, v := range values {
				secrets.Add(v)
			}
			o := &output{j: &Journal{secrets: secrets}, lines: splitter{emit: func([]byte, bool) {}}}
			o.masker = mask.NewMasker(secrets, o.lines.write)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				o.write(text)
			}
		})
	}
}
