package logchunk_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/logchunk"
)

func ndjson(size int) []byte {
	var lines []byte
	for n := 1; len(lines) < size; n++ {
		lines = fmt.Appendf(lines, `{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"compiled %d","sequence":%d}`+"\n", n, n)
	}
	return lines[:size]
}

func TestBodiesOfSomeSizeAreCompressed(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 2*logchunk.CompressFrom)
	_, _ = rand.Read(noise)
	for name, test := range map[string]struct {
		lines      []byte
		compressed bool
	}{
		"nothing":        {nil, false},
		"few lines":      {ndjson(logchunk.CompressFrom - 1), false},
		"enough":         {ndjson(logchunk.CompressFrom), true},
		"many":           {ndjson(200 << 10), true},
		"the most":       {ndjson(logchunk.MaxSize), true},
		"incompressible": {noise, false},
	} {
		b := logchunk.Compress(test.lines)
		require.Equal(t, test.compressed, b.Encoding() == logchunk.Zstd, name)
		require.Equal(t, len(test.lines), b.Len(), name)
		if test.compressed {
			require.Less(t, len(b.Lines), len(test.lines)/4, name)
		}
		parsed, err := logchunk.Parse(b.Lines, b.Encoding())
		require.NoError(t, err, name)
		require.Equal(t, b.Size, parsed.Size, name)
		got, err := parsed.AppendTo([]byte("before "))
		require.NoError(t, err, name)
		require.Equal(t, "before "+string(test.lines), string(got), name)
	}
}

// TestAnyZstdReadsAFrame: with the defaults of the library, and of the command zstd.
func TestAnyZstdReadsAFrame(t *testing.T) {
	t.Parallel()
	lines := ndjson(100 << 10)
	reader, err := zstd.NewReader(bytes.NewReader(logchunk.Compress(lines).Lines))
	require.NoError(t, err)
	defer reader.Close()
	var got bytes.Buffer
	_, err = got.ReadFrom(reader)
	require.NoError(t, err)
	require.Equal(t, string(lines), got.String())
}

// bomb is a frame of a few bytes that declares some size and decompresses to
// repetitions of up to 128 KiB.
func bomb(declared, blocks, each int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, byte(declared), byte(declared >> 8), byte(declared >> 16), byte(declared >> 24)}
	for i := range blocks {
		header := each<<3 | 1<<1 // run-length encoded
		if i == blocks-1 {
			header |= 1
		}
		frame = append(frame, byte(header), byte(header>>8), byte(header>>16), 'x')
	}
	return frame
}

// TestHostileFramesAreBounded: none decompresses to more than it declares, nor takes
// more memory.
func TestHostileFramesAreBounded(t *testing.T) {
	t.Parallel()
	good := logchunk.Compress(ndjson(100 << 10)).Lines
	whole := bomb(128<<10, 1, 128<<10)
	stream := new(bytes.Buffer)
	w, err := zstd.NewWriter(stream)
	require.NoError(t, err)
	_, err = w.Write(ndjson(100 << 10))
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.NoError(t, w.Close())
	for name, frame := range map[string][]byte{
		"empty":                  {},
		"no frame":               []byte("{}\n"),
		"only a header":          good[:10],
		"cut short":              good[:len(good)-5],
		"no content size":        stream.Bytes(),
		"empty content":          bomb(0, 1, 0),
		"more than MaxSize":      bomb(logchunk.MaxSize+1, 9, 128<<10),
		"declares 4 GiB":         bomb(1<<32-1, 9, 128<<10),
		"more than it declares":  bomb(4<<10, 100_000, 128<<10),
		"less than it declares":  bomb(256<<10, 1, 128<<10),
		"a second frame":         append(bytes.Clone(whole), whole...),
		"thousands of frames":    bytes.Repeat(whole, 10_000),
		"skippable, then a bomb": append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, whole...),
	} {
		b, err := logchunk.Parse(frame, logchunk.Zstd)
		if err != nil {
			continue
		}
		got, err := b.AppendTo([]byte("before"))
		require.Error(t, err, name)
		require.Equal(t, "before", string(got), name)
		require.LessOrEqual(t, cap(got), 2*logchunk.MaxSize, name)
	}
	b, err := logchunk.Parse(whole, logchunk.Zstd)
	require.NoError(t, err)
	got, err := b.NDJSON()
	require.NoError(t, err)
	require.Len(t, got, 128<<10)
	_, err = logchunk.Body{Lines: whole, Size: logchunk.MaxSize + 1}.NDJSON()
	require.Error(t, err)
}

func TestOtherEncodingsAreRefused(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"gzip", "ZSTD", "zstd, zstd", "identity"} {
		_, err := logchunk.Parse([]byte("x\n"), encoding)
		require.ErrorContains(t, err, "Content-Encoding", encoding)
	}
	_, err := logchunk.Parse(make([]byte, logchunk.MaxSize+1), "")
	require.ErrorContains(t, err, "at most")
}

func FuzzFrames(f *testing.F) {
	f.Add(logchunk.Compress(ndjson(5000)).Lines)
	f.Add(bomb(4<<10, 10, 128<<10))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, frame []byte) {
		b, err := logchunk.Parse(frame, logchunk.Zstd)
		if err != nil {
			return
		}
		got, err := b.NDJSON()
		if err != nil {
			require.Empty(t, got)
			return
		}
		require.Len(t, got, b.Size)
		require.LessOrEqual(t, len(got), logchunk.MaxSize)
	})
}

func TestTheDigestDoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	var a, b logchunk.Digest
	one, two, three := logchunk.Compress([]byte("one\n")), logchunk.Compress([]byte("two\n")), logchunk.Compress(ndjson(10_000))
	for _, chunk := range []logchunk.Body{one, two, three} {
		a.Add(chunk)
	}
	for _, chunk := range []logchunk.Body{three, one, two} {
		b.Add(chunk)
	}
	require.Equal(t, a, b)
	b.Add(two)
	require.NotEqual(t, a, b)
	require.Positive(t, b)
}

// TestAFrameTakesNoMoreMemoryThanItsBytes: a worker keeps many chunks, and counts their
// bytes against its limits. It runs alone, because it measures the heap.
func TestAFrameTakesNoMoreMemoryThanItsBytes(t *testing.T) {
	const chunks, size = 100, 128 << 10
	lines := ndjson(size)
	frame := len(logchunk.Compress(lines).Lines)
	kept := make([]logchunk.Body, chunks)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		kept[i] = logchunk.Compress(lines)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	require.Less(t, int(after.HeapAlloc)-int(before.HeapAlloc), chunks*(frame+size)/2)
}
