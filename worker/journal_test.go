package worker

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/packed"
	"github.com/hodei-jobs/hodei/schemas"
)

// link is what a journal sends on; it can be down.
type link struct {
	mu   sync.Mutex
	down bool
	sent []schemas.Span
	data []string // unpacked
	size []int    // of each, as sent
	said chan struct{}
}

func (l *link) send(id hodei.ExecutionID, first, last int64, text packed.Text) error {
	lines, err := text.Unpack(first)
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
	l.size = append(l.size, len(text.Lines))
	select {
	case l.said <- struct{}{}:
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

func newTestJournal(t *testing.T, memory, disk int64) (*journal, *link) {
	l := &link{said: make(chan struct{}, 1)}
	return newJournal(hodei.ExecutionID{1}, newSpool(t.TempDir(), memory, disk), localtest.Log(t), l.send), l
}

func (j *journal) say(n int, text string) {
	for range n {
		appendTo(j, []byte(text))
	}
}

func TestChunksAreCutByLinesBytesAndTime(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 1<<20, 1<<20)
		j.say(chunkLines, "x")
		require.Equal(t, [2]int64{1, chunkLines}, l.spans()[len(l.spans())-1])

		j, l = newTestJournal(t, 1<<20, 1<<20)
		j.say(10, strings.Repeat("x", hodei.MaxLine))
		j.close()
		require.GreaterOrEqual(t, len(l.data), 4)
		for _, chunk := range l.data {
			require.LessOrEqual(t, len(chunk), chunkBytes)
		}
		require.Equal(t, 10, strings.Count(strings.Join(l.data, ""), "\n"))

		j, l = newTestJournal(t, 1<<20, 1<<20)
		j.say(1, "alone")
		receive(t, l.said, "cut by time")
		require.Equal(t, [][2]int64{{1, 1}}, l.spans())
	})
}

// TestANoteMayComeAtAnyTime: what else the journal does meanwhile. The race
// detector would tell.
func TestANoteMayComeAtAnyTime(t *testing.T) {
	t.Parallel()
	j, l := newTestJournal(t, 1<<20, 1<<20)
	var both sync.WaitGroup
	both.Go(func() {
		for range 100 {
			j.note("not started")
		}
	})
	both.Go(func() {
		for range 100 {
			j.wake()
		}
	})
	both.Wait()
	count, _ := j.close()
	require.EqualValues(t, 100, count)
	require.Equal(t, 100, strings.Count(strings.Join(l.data, ""), `"stream":"stderr","line":"not started"`))
}

func TestChunksGrowWhileTheyCannotBeSent(t *testing.T) {
	t.Parallel()
	j, l := newTestJournal(t, 1<<20, 1<<20)
	l.down = true
	j.say(1, "first")
	require.Eventually(t, func() bool { j.mu.Lock(); defer j.mu.Unlock(); return len(j.waiting) == 1 }, time.Minute, time.Millisecond)
	j.say(100, "meanwhile")
	j.wake()
	j.mu.Lock()
	require.Len(t, j.waiting, 1)
	j.opened = time.Time{} // its time is over
	j.mu.Unlock()
	l.mu.Lock()
	l.down = false
	l.mu.Unlock()
	j.resend(time.Now(), true)
	require.Equal(t, [][2]int64{{1, 1}, {2, 101}}, l.spans())
}

// still is a test in which no time passes while anything goes on, so that no
// chunk is cut because of it.
func still(t *testing.T, test func(t *testing.T)) {
	packed.Pack(make([]byte, 1<<10)) // what all tests pack with is not to be made by one of these
	synctest.Test(t, test)
}

func TestTheWindowBoundsWhatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		const count = (window + 10) * floodLines
		j, l := newTestJournal(t, 64<<20, 1<<20)
		j.say(count, "x")
		require.Len(t, l.spans(), window)
		j.confirm(1, chunkLines+1) // no such chunk
		require.Len(t, l.spans(), window)
		for _, s := range l.spans()[:10] {
			j.confirm(s[0], s[1])
		}
		require.Len(t, l.spans(), window+10)
		said, _ := j.close()
		require.EqualValues(t, count, said)
		for confirmed := 0; confirmed < len(l.spans()); confirmed++ { // each lets the next be sent
			j.confirm(l.spans()[confirmed][0], l.spans()[confirmed][1])
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
		text := make([]byte, 8<<10)
		for range 2 * windowBytes / len(text) {
			_, _ = rand.Read(text)
			appendTo(j, hex.AppendEncode(nil, text[:len(text)/2])) // packs to half
		}
		sent := 0
		for _, size := range l.size {
			sent += size
		}
		require.GreaterOrEqual(t, sent, windowBytes)
		require.Less(t, sent, windowBytes+floodBytes)
		require.Less(t, len(l.size), window)
		j.drop()
		require.Zero(t, j.sent)
	})
}

func TestUnconfirmedChunksAreSentAgainAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, memory := range map[string]int64{"in memory": 1 << 20, "on disk": 0} {
		t.Run(name, func(t *testing.T) {
			j, l := newTestJournal(t, memory, 1<<20)
			j.say(chunkLines, "x")
			j.say(3, "y")
			j.close()
			chunks := len(l.data)
			now := time.Now()
			for _, step := range []struct {
				after time.Duration
				sent  bool
			}{{time.Second, false}, {3 * time.Second, true}, {6 * time.Second, false}, {8 * time.Second, true}, {15 * time.Second, false}, {17 * time.Second, true}, {33 * time.Second, true}, {49 * time.Second, true}} {
				l.sent = nil
				j.resend(now.Add(step.after), false)
				require.Equal(t, step.sent, len(l.sent) == chunks, "after %s", step.after)
			}
			for i, data := range l.data {
				require.Equal(t, l.data[i%chunks], data)
			}
			for _, s := range l.spans() {
				j.confirm(s[0], s[1])
			}
			receive(t, j.settled, "settled")
			require.Zero(t, j.spool.inMemory+j.spool.onDisk)
		})
	}
}

// TestChunksThatCannotBeSentAreGivenUp: refused by the record, or not read back
// from the disk; the journal settles without them.
func TestChunksThatCannotBeSentAreGivenUp(t *testing.T) {
	j, l := newTestJournal(t, 0, 1<<20)
	j.say(chunkLines, "x")
	j.say(chunkLines, "y")
	j.close()
	spans := l.spans()
	for range mostFailures - 1 {
		j.refuse(spans[0][0], spans[0][1])
		require.Equal(t, len(spans), j.unstored(), "only the message may have been damaged")
	}
	j.refuse(spans[0][0], spans[0][1])
	require.Equal(t, len(spans)-1, j.unstored())
	require.NoError(t, j.file.file.Truncate(0))
	for range mostFailures {
		j.resend(time.Now(), true)
	}
	receive(t, j.settled, "settled")
	require.Zero(t, j.spool.inMemory+j.spool.onDisk)
	require.Zero(t, j.sent)
	require.Zero(t, j.spool.unrecorded.Load())
}

// TestACommandWaitsForTheRecordRatherThanForTheDisk: while chunks are confirmed
// nothing is spilled; when none has been for a while, it is.
func TestACommandWaitsForTheRecordRatherThanForTheDisk(t *testing.T) {
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 4*chunkBytes, 1<<30)
		line := strings.Repeat("x", 50)
		j.say(chunkLines, line)
		j.confirm(1, l.spans()[0][1])
		said := make(chan struct{})
		go func() { j.say(20*chunkLines, line); close(said) }()
		for range 3 {
			synctest.Wait()
			require.True(t, j.spool.full())
			sent := l.spans()
			last := sent[len(sent)-1]
			j.confirm(last[0], last[1])
		}
		held := func() (inMemory, onDisk int64) {
			j.spool.mu.Lock()
			defer j.spool.mu.Unlock()
			return j.spool.inMemory, j.spool.onDisk
		}
		synctest.Wait()
		inMemory, onDisk := held()
		require.Zero(t, onDisk)
		require.Less(t, inMemory, int64(5*chunkBytes))
		time.Sleep(flowing)
		<-said
		_, onDisk = held()
		require.Positive(t, onDisk)
		j.drop()
	})
}

// TestAFloodIsPacked: and nothing else, so that anybody can read along.
func TestAFloodIsPacked(t *testing.T) {
	t.Parallel()
	still(t, func(t *testing.T) {
		j, l := newTestJournal(t, 1<<30, 1<<30)
		j.say(40*chunkLines, "compiled something")
		said, plain := 0, 0
		for i, data := range l.data {
			if said < flood {
				require.Equal(t, chunkLines, strings.Count(data, "\n"))
				require.Equal(t, len(data), l.size[i])
				plain++
			} else {
				require.Equal(t, floodLines, strings.Count(data, "\n"))
				require.Less(t, l.size[i], len(data)/16)
			}
			said += len(data)
		}
		require.Greater(t, len(l.data), plain+2)
		require.EqualValues(t, said, j.spool.unrecorded.Load())

		latest := func(j *journal) (data string, size int) {
			l.mu.Lock()
			defer l.mu.Unlock()
			for i, s := range l.sent {
				if s.ExecutionID == j.id {
					data, size = l.data[i], l.size[i]
				}
			}
			return data, size
		}
		other := newJournal(hodei.ExecutionID{2}, j.spool, j.log, l.send)
		other.say(chunkLines, "compiled something else") // the flood is all that the worker's executions say
		other.say(floodLines, "compiled something else")
		data, size := latest(other)
		require.Less(t, size, len(data)/8)
		quiet := newJournal(hodei.ExecutionID{3}, j.spool, j.log, l.send)
		for range 2 {
			quiet.say(10, "who says little is read along")
			time.Sleep(2 * chunkLinger)
			data, size = latest(quiet)
			require.Equal(t, len(data), size)
			require.Equal(t, 10, strings.Count(data, "\n"))
		}
		time.Sleep(2 * floodLinger) // in which what is open becomes a chunk, in the time of the bubble
		l.mu.Lock()
		sent := slices.Clone(l.sent)
		l.mu.Unlock()
		for _, s := range sent {
			for _, j := range []*journal{j, other, quiet} {
				if s.ExecutionID == j.id {
					j.confirm(s.First, s.Last)
				}
			}
		}
		require.Zero(t, j.spool.unrecorded.Load())
		j.say(chunkLines, "compiled something")
		data, size = latest(j)
		require.Equal(t, len(data), size, "the flood is over")
		require.Equal(t, chunkLines, strings.Count(data, "\n"))
	})
}

func TestADiskThatTakesNoMoreHoldsTheOutputBack(t *testing.T) {
	t.Parallel()
	j, l := newTestJournal(t, chunkBytes, 1<<30)
	j.spool.dir, j.file.dir = "/dev/null", "/dev/null"
	said := make(chan struct{})
	go func() { j.say(10*chunkLines, strings.Repeat("x", 50)); j.close(); close(said) }()
	require.Eventually(t, j.spool.full, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool {
		for _, s := range l.spans() {
			j.confirm(s[0], s[1])
		}
		select {
		case <-j.settled:
			return true
		default:
			return false
		}
	}, time.Minute, time.Millisecond)
	<-said
	require.Equal(t, 10*chunkLines, strings.Count(strings.Join(l.data, ""), "\n"))
}

func appendTo(j *journal, line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.append(hodei.Stdout, time.Now(), line, false)
}
