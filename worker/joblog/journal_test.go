package joblog

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

// link is the connection of a journal; it can be down.
type link struct {
	mu      sync.Mutex
	down    bool
	sent    []schemas.Span
	data    []string // NDJSON
	size    []int    // of each, as sent
	arrived chan struct{}
}

func (l *link) send(id hodei.ExecutionID, first, last int64, body logchunk.Body) error {
	lines, err := body.NDJSON()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return errors.New("down")
	}
	l.sent = append(l.sent, schemas.Span{ExecutionID: id, First: first, Last: last})
	l.data = append(l.data, string(lines))
	l.size = append(l.size, len(body.Lines))
	select {
	case l.arrived <- struct{}{}:
	default:
	}
	return nil
}

func (l *link) spans() (spans [][2]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sent {
		spans = append(spans, [2]int64{s.First, s.Last})
	}
	return spans
}

func receive[T any](t testing.TB, from <-chan T, what string) {
	t.Helper()
	select {
	case <-from:
	case <-time.After(30 * time.Second):
		require.FailNow(t, "timed out: "+what)
	}
}

func newTestJournal(t *testing.T, memory, disk int64) (*Journal, *link) {
	l := &link{arrived: make(chan struct{}, 1)}
	return New(hodei.ExecutionID{1}, NewSpool(t.TempDir(), memory, disk), localtest.Log(t), Limit{}, &mask.Set{}, l.send), l
}

func (j *Journal) print(n int, text string) {
	for range n {
		appendTo(j, []byte(text))
	}
}

// noise prints lines that compress by half, and returns their number.
func (j *Journal) noise(bytes int) (lines int) {
	text := make([]byte, 4<<10)
	for ; bytes > 0; bytes -= 2 * len(text) {
		_, _ = rand.Read(text)
		appendTo(j, hex.AppendEncode(nil, text))
		lines++
	}
	return lines
}

// linesOfChunk is more lines of one "x" than a chunk holds, longestLine the
// maximum size of a line's JSON.
const (
	linesOfChunk = ChunkBytes / 80
	longestLine  = 6*hodei.MaxLine + 200
)

func TestChunksAreCutByBytesAndTime(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 1<<20, 1<<20)
		j.print(30, strings.Repeat("\x00", hodei.MaxLine))
		j.Close()
		require.GreaterOrEqual(t, len(l.data), 4)
		for _, chunk := range l.data {
			require.LessOrEqual(t, len(chunk), ChunkBytes+longestLine)
			require.Less(t, len(chunk), logchunk.MaxSize)
		}
		require.Equal(t, 30, strings.Count(strings.Join(l.data, ""), "\n"))

		j, l = newTestJournal(t, 1<<20, 1<<20)
		j.print(1, "alone")
		receive(t, l.arrived, "cut by time")
		require.Equal(t, [][2]int64{{1, 1}}, l.spans())
	})
}

// TestChunksGrowWhileEarlierOnesAreNotConfirmed, for a while.
func TestChunksGrowWhileEarlierOnesAreNotConfirmed(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 1<<20, 1<<20)
		printPausing := func(pauses ...time.Duration) {
			for _, pause := range pauses {
				j.print(1, "x")
				time.Sleep(pause)
				synctest.Wait()
			}
		}
		printPausing(chunkLinger)
		require.Equal(t, [][2]int64{{1, 1}}, l.spans())
		printPausing(chunkLinger, chunkLinger)
		require.Len(t, l.spans(), 1, "it waits for the first chunk")
		j.Confirm(1, 1)
		require.Equal(t, [][2]int64{{1, 1}, {2, 3}}, l.spans(), "it has waited long enough")
		printPausing(chunkLinger, floodLinger-chunkLinger-1)
		require.Len(t, l.spans(), 2)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, [][2]int64{{1, 1}, {2, 3}, {4, 5}}, l.spans(), "it waits no longer, confirmed or not")
		j.Drop()
	})
}

// TestANoteMayComeAtAnyTime: what else the Journal does meanwhile. The race
// detector would report it.
func TestANoteMayComeAtAnyTime(t *testing.T) {
	t.Parallel()
	j, l := newTestJournal(t, 1<<20, 1<<20)
	var both sync.WaitGroup
	both.Go(func() {
		for range 100 {
			j.Note("not started")
		}
	})
	both.Go(func() {
		for range 100 {
			j.wake()
		}
	})
	both.Wait()
	count, _ := j.Close()
	require.EqualValues(t, 100, count)
	require.Equal(t, 100, strings.Count(strings.Join(l.data, ""), `"stream":"stderr","line":"not started"`))
}

func TestChunksGrowWhileTheyCannotBeSent(t *testing.T) {
	t.Parallel()
	j, l := newTestJournal(t, 1<<20, 1<<20)
	l.down = true
	j.print(1, "first")
	require.Eventually(t, func() bool { j.mu.Lock(); defer j.mu.Unlock(); return len(j.waiting) == 1 }, time.Minute, time.Millisecond)
	j.print(100, "meanwhile")
	j.wake()
	j.mu.Lock()
	require.Len(t, j.waiting, 1)
	j.opened = time.Time{} // its linger is over
	j.mu.Unlock()
	l.mu.Lock()
	l.down = false
	l.mu.Unlock()
	j.Resend(time.Now(), true)
	require.Equal(t, [][2]int64{{1, 1}, {2, 101}}, l.spans())
}

// TestTheDigestIsThatOfAllChunks, those included that cannot be sent yet.
func TestTheDigestIsThatOfAllChunks(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 1<<20, 1<<20)
		var sent logchunk.Digest
		j.send = func(id hodei.ExecutionID, first, last int64, body logchunk.Body) error {
			err := l.send(id, first, last, body)
			if err == nil {
				sent.Add(body)
			}
			return err
		}
		j.print(linesOfChunk, "x")
		l.down = true
		j.print(linesOfChunk, "x")
		j.End(hodei.Stdout, time.Now())
		_, digest := j.Close()
		require.NotEqual(t, digest, int64(sent))
		l.down = false
		j.Resend(time.Now(), false)
		require.Greater(t, len(l.sent), 2)
		require.Equal(t, digest, int64(sent))
	})
}

// still is a test in which no time passes, so that no chunk is cut because of
// it.
func still(t *testing.T, test func(t *testing.T)) {
	logchunk.Compress(make([]byte, logchunk.CompressFrom)) // the encoder is shared: it must not belong to one of these tests
	synctest.Test(t, test)
}

func TestTheWindowBoundsWhatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		const count = (window + 10) * linesOfChunk
		j, l := newTestJournal(t, 64<<20, 1<<20)
		j.print(count, "x")
		require.Len(t, l.spans(), window)
		j.Confirm(1, linesOfChunk+1) // no such chunk
		require.Len(t, l.spans(), window)
		for _, s := range l.spans()[:10] {
			j.Confirm(s[0], s[1])
		}
		require.Len(t, l.spans(), window+10)
		printed, _ := j.Close()
		require.EqualValues(t, count, printed)
		for confirmed := 0; confirmed < len(l.spans()); confirmed++ { // each lets the next be sent
			j.Confirm(l.spans()[confirmed][0], l.spans()[confirmed][1])
		}
		receive(t, j.settled, "settled")
		require.Zero(t, j.spool.inMemory)
		require.Zero(t, j.sent)
	})
}

func TestTheWindowBoundsBytes(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 64<<20, 1<<20)
		j.noise(4 * windowBytes)
		sent := 0
		for _, size := range l.size {
			sent += size
		}
		require.GreaterOrEqual(t, sent, windowBytes)
		require.Less(t, sent, windowBytes+ChunkBytes)
		require.Less(t, len(l.size), window)
		j.Drop()
		require.Zero(t, j.sent)
	})
}

func TestUnconfirmedChunksAreSentAgainAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, memory := range map[string]int64{"in memory": 1 << 20, "on disk": 0} {
		t.Run(name, func(t *testing.T) {
			j, l := newTestJournal(t, memory, 1<<20)
			j.print(linesOfChunk, "x")
			j.print(3, "y")
			j.Close()
			chunks := len(l.data)
			now := time.Now()
			for _, step := range []struct {
				after time.Duration
				sent  bool
			}{{time.Second, false}, {3 * time.Second, true}, {6 * time.Second, false}, {8 * time.Second, true}, {15 * time.Second, false}, {17 * time.Second, true}, {33 * time.Second, true}, {49 * time.Second, true}} {
				l.sent = nil
				j.Resend(now.Add(step.after), false)
				require.Equal(t, step.sent, len(l.sent) == chunks, "after %s", step.after)
			}
			for i, data := range l.data {
				require.Equal(t, l.data[i%chunks], data)
			}
			for _, s := range l.spans() {
				j.Confirm(s[0], s[1])
			}
			receive(t, j.settled, "settled")
			require.Zero(t, j.spool.inMemory+j.spool.onDisk)
		})
	}
}

// TestChunksThatCannotBeSentAreGivenUp: refused by the record, or not read back
// from the disk; the Journal settles without them.
func TestChunksThatCannotBeSentAreGivenUp(t *testing.T) {
	j, l := newTestJournal(t, 0, 1<<20)
	j.print(linesOfChunk, "x")
	j.print(linesOfChunk, "y")
	j.Close()
	spans := l.spans()
	for range mostFailures - 1 {
		j.Refuse(spans[0][0], spans[0][1])
		require.Equal(t, len(spans), j.Unstored(), "only the message may have been damaged")
	}
	j.Refuse(spans[0][0], spans[0][1])
	require.Equal(t, len(spans)-1, j.Unstored())
	require.NoError(t, j.file.file.Truncate(0))
	for range mostFailures {
		j.Resend(time.Now(), true)
	}
	receive(t, j.settled, "settled")
	require.Zero(t, j.spool.inMemory+j.spool.onDisk)
	require.Zero(t, j.sent)
}

// TestACommandWaitsForTheRecordRatherThanForTheDisk: while chunks are
// acknowledged, nothing is spilled; after a while without acknowledgements,
// chunks are.
func TestACommandWaitsForTheRecordRatherThanForTheDisk(t *testing.T) {
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 4*ChunkBytes, 1<<30)
		j.noise(2 * ChunkBytes)
		j.Confirm(1, l.spans()[0][1])
		done := make(chan struct{})
		go func() { j.noise(40 * ChunkBytes); close(done) }()
		for range 3 {
			synctest.Wait()
			require.True(t, j.spool.Full())
			sent := l.spans()
			last := sent[len(sent)-1]
			j.Confirm(last[0], last[1])
		}
		held := func() (inMemory, onDisk int64) {
			j.spool.mu.Lock()
			defer j.spool.mu.Unlock()
			return j.spool.inMemory, j.spool.onDisk
		}
		synctest.Wait()
		inMemory, onDisk := held()
		require.Zero(t, onDisk)
		require.Less(t, inMemory, int64(5*ChunkBytes))
		time.Sleep(flowing)
		<-done
		_, onDisk = held()
		require.Positive(t, onDisk)
		j.Drop()
	})
}

// TestLargeChunksAreCompressed, whether the worker is busy or not; small ones
// stay readable.
func TestLargeChunksAreCompressed(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 1<<30, 1<<30)
		for _, lines := range []int{1, 10, 100, 1000} {
			j.print(lines, "compiled something")
			time.Sleep(floodLinger)
			synctest.Wait()
			i := len(l.data) - 1
			require.Equal(t, lines, strings.Count(l.data[i], "\n"))
			if len(l.data[i]) < logchunk.CompressFrom {
				require.Equal(t, len(l.data[i]), l.size[i])
			} else {
				require.Less(t, l.size[i], len(l.data[i])/8)
			}
		}
		j.Drop()
	})
}

func TestADiskThatTakesNoMoreHoldsTheOutputBack(t *testing.T) {
	t.Parallel()
	j, l := newTestJournal(t, ChunkBytes, 1<<30)
	j.spool.dir, j.file.dir = "/dev/null", "/dev/null"
	done := make(chan struct{})
	lines := 0
	go func() { lines = j.noise(10 * ChunkBytes); j.Close(); close(done) }()
	require.Eventually(t, j.spool.Full, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool {
		for _, s := range l.spans() {
			j.Confirm(s[0], s[1])
		}
		select {
		case <-j.settled:
			return true
		default:
			return false
		}
	}, time.Minute, time.Millisecond)
	<-done
	require.Equal(t, lines, strings.Count(strings.Join(l.data, ""), "\n"))
}

func appendTo(j *Journal, line []byte) {
	j.Append(hodei.Stdout, time.Now(), append(line, '\n'))
}
