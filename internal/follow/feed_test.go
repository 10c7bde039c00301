package follow_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// start runs a feed of the log.
func start(t *testing.T, l *written, cfg follow.FeedConfig) *follow.Feed {
	cfg.NATS, cfg.ID, cfg.Log = l.nc, l.id, localtest.Log(t)
	if cfg.Look == 0 {
		cfg.Look = time.Hour // the test must succeed without it
	}
	feed := follow.NewFeed(cfg)
	run(t, feed.Run)
	return feed
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// expect reads from a sequence on and requires exactly the lines up to last.
func expect(t require.TestingT, ctx context.Context, feed *follow.Feed, next, last int64) {
	var got strings.Builder
	first := next
	for next <= last {
		batch, err := feed.Read(ctx, next, own)
		require.NoError(t, err, "at %d", next)
		require.Nil(t, batch.End, "at %d", next)
		require.Equal(t, next, batch.First)
		got.Write(batch.Lines)
		next = batch.Last + 1
	}
	require.Equal(t, lines(first, next-1), got.String())
	require.Equal(t, last, next-1)
}

func expectEnd(t require.TestingT, ctx context.Context, feed *follow.Feed, next int64, end *schemas.LogEnd) {
	batch, err := feed.Read(ctx, next, own)
	require.NoError(t, err)
	require.Equal(t, follow.Batch{End: end}, batch)
}

func TestFeedGivesHistoryThenLive(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	l.record(1, 40) // the window no longer has most of them
	l.publish(t, 31, 40)
	l.publish(t, 41, 45) // not recorded yet
	ctx, feed := within(t), start(t, l, follow.FeedConfig{})
	now, err := feed.Now(ctx)
	require.NoError(t, err)
	require.Equal(t, schemas.LogEnd{ExecutionID: l.id, Status: hodei.Running, LogCount: 45}, now)
	expect(t, ctx, feed, 1, 45)
	expect(t, ctx, feed, 36, 45)
	l.publish(t, 46, 46)
	expect(t, ctx, feed, 46, 46)
	l.record(41, 46)
	l.end(46)
	l.publishEnd(t)
	expectEnd(t, ctx, feed, 47, l.ended(46))
	expect(t, ctx, feed, 1, 46) // a late reader, after the end
}

// A short execution is followed without the window: from the record and the
// published chunks.
func TestFeedOfAShortExecutionNeedsNoConsumer(t *testing.T) {
	t.Parallel()
	nc := localtest.Connect(t, localtest.NATS(t)) // there is no stream at all
	l := newLog(t, nc)
	l.record(1, 3)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{Soon: time.Hour, Look: time.Hour})
	require.NoError(t, feed.Found(ctx))
	expect(t, ctx, feed, 1, 3)
	l.publishCore(t, 4, 50)
	expect(t, ctx, feed, 4, 50)
	l.record(4, 60)
	l.end(60)
	l.publishEnd(t)
	expect(t, ctx, feed, 51, 60)
	expectEnd(t, ctx, feed, 61, l.ended(60))
}

// Lines that are neither recorded nor published again are in the window, which
// is read at once on Now.
func TestFeedReadsTheWindowWhenAsked(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	l.record(1, 3)
	l.publish(t, 4, 6)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{Soon: time.Hour, Look: time.Hour})
	require.NoError(t, feed.Found(ctx))
	l.publish(t, 7, 9)
	now, err := feed.Now(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 9, now.LogCount)
	expect(t, ctx, feed, 1, 9)
	l.publish(t, 10, 12)
	expect(t, ctx, feed, 10, 12)
}

func TestFeedOfAnEndedExecutionNeedsOnlyTheRecord(t *testing.T) {
	t.Parallel()
	nc := localtest.Connect(t, localtest.NATS(t)) // there is no stream at all
	l := newLog(t, nc)
	l.record(1, 12000)
	l.end(12000)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{})
	expect(t, ctx, feed, 1, 12000)
	expectEnd(t, ctx, feed, 12001, l.ended(12000))
	expectEnd(t, ctx, feed, 99999, l.ended(12000))
}

func TestFeedEndsWithoutTheEvent(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{Look: 30 * time.Millisecond})
	l.write(t, 1, 3)
	expect(t, ctx, feed, 1, 3)
	l.end(3)
	expectEnd(t, ctx, feed, 4, l.ended(3))
}

func TestFeedDropsDuplicates(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{})
	for _, c := range [][2]int64{{1, 5}, {1, 5}, {6, 8}, {4, 10}, {2, 3}, {9, 9}, {10, 12}, {1, 14}} {
		l.publish(t, c[0], c[1])
	}
	expect(t, ctx, feed, 1, 14)
	for next := int64(1); next <= 14; next++ {
		expect(t, ctx, feed, next, 14)
	}
}

func TestFeedReadsDamagedChunksFromTheRecord(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{})
	l.write(t, 1, 20)
	body := logchunk.Compress([]byte(lines(21, 80)))
	require.Equal(t, logchunk.Zstd, body.Encoding())
	body.Lines = body.Lines[:len(body.Lines)-5]
	l.send(t, 21, 80, body)
	l.send(t, 81, 90, logchunk.Body{Lines: []byte(lines(81, 89))}) // one line short
	l.write(t, 91, 100)
	l.record(21, 90)
	expect(t, ctx, feed, 1, 100)
}

func TestFeedWaitsForAMissingLine(t *testing.T) {
	t.Parallel()
	for name, heal := range map[string]func(*written){
		"recorded": func(l *written) { l.record(1, 20) },
		"resent":   func(l *written) { l.publish(t, 11, 20) },
	} {
		t.Run(name, func(t *testing.T) {
			nc, _ := localtest.JetStream(t)
			l := newLog(t, nc)
			ctx, feed := within(t), start(t, l, follow.FeedConfig{})
			l.write(t, 1, 10)
			l.write(t, 21, 30) // the record has these, and lacks earlier ones
			expect(t, ctx, feed, 1, 10)
			expect(t, ctx, feed, 25, 30) // a reader that resumes there need not wait
			short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			_, err := feed.Read(short, 11, own)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			heal(l)
			expect(t, ctx, feed, 11, 30)
		})
	}
}

func TestFeedReadsEvictedLinesFromTheRecord(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{Ring: 4 << 10})
	l.write(t, 1, 5)
	expect(t, ctx, feed, 1, 5)
	for n := int64(6); n < 1000; n += 10 {
		l.write(t, n, n+9)
	}
	expect(t, ctx, feed, 980, 1005) // a fast reader
	expect(t, ctx, feed, 6, 1005)   // a slow one
}

func TestFeedServesManyReaders(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	l := newLog(t, nc)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{Ring: 32 << 10})
	_, err := feed.Now(ctx) // so that the window has been read
	require.NoError(t, err)
	const last = 3000
	failed := make(chan string, 50)
	var readers sync.WaitGroup
	for i := range int64(50) {
		readers.Go(func() {
			report := &collector{}
			expect(report, ctx, feed, 1+i, last)
			expectEnd(report, ctx, feed, last+1, l.ended(last))
			if report.text != "" {
				failed <- report.text
			}
		})
	}
	for n := int64(1); n <= last; n += 20 {
		l.write(t, n, n+19)
	}
	stream, err := js.Stream(ctx, schemas.LogStream)
	require.NoError(t, err)
	require.LessOrEqual(t, stream.CachedInfo().State.Consumers, 1, "one consumer whatever the number of readers")
	l.end(last)
	l.publishEnd(t)
	readers.Wait()
	close(failed)
	for text := range failed {
		require.Fail(t, text)
	}
	require.Eventually(t, func() bool {
		info, err := stream.Info(ctx)
		return err == nil && info.State.Consumers == 0
	}, time.Minute, 10*time.Millisecond, "the consumer is left behind")
}

// A damaged log lacks lines for good: its end includes that, and no reader
// waits for them.
func TestFeedSkipsTheHolesOfAnEndedLog(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	l.record(1, 5)
	l.record(22, 28)
	l.end(30)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{})
	expect(t, ctx, feed, 1, 5)
	batch, err := feed.Read(ctx, 6, own)
	require.NoError(t, err)
	require.EqualValues(t, 22, batch.First)
	require.EqualValues(t, 28, batch.Last)
	expectEnd(t, ctx, feed, 29, l.ended(30))
	l.mu.Lock()
	defer l.mu.Unlock()
	require.LessOrEqual(t, l.reads, 4, "the record is asked once for each hole")
}

// Many readers who want the same lines of the record have it asked as one.
func TestFeedAsksTheRecordForAllReaders(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	l.record(1, 700)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{})
	var readers sync.WaitGroup
	failed := make(chan string, 50)
	for range 50 {
		readers.Go(func() {
			report := &collector{}
			expect(report, ctx, feed, 1, 700)
			if report.text != "" {
				failed <- report.text
			}
		})
	}
	readers.Wait()
	close(failed)
	for text := range failed {
		require.Fail(t, text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Less(t, l.reads, 10)
}

// collector is a require.TestingT for other goroutines.
type collector struct{ text string }

func (c *collector) Errorf(format string, args ...any) { c.text += fmt.Sprintf(format, args...) }
func (c *collector) FailNow()                          { panic(c.text) }

func TestFeedOutlivesItsConsumer(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	l := newLog(t, nc)
	ctx, feed := within(t), start(t, l, follow.FeedConfig{})
	l.publish(t, 1, 3)
	expect(t, ctx, feed, 1, 3)
	stream, err := js.Stream(ctx, schemas.LogStream)
	require.NoError(t, err)
	for name := range stream.ConsumerNames(ctx).Name() {
		if err := stream.DeleteConsumer(ctx, name); !errors.Is(err, jetstream.ErrConsumerNotFound) { // the feed has deleted it
			require.NoError(t, err)
		}
	}
	l.publish(t, 4, 6)
	expect(t, ctx, feed, 4, 6)
}

func TestFeedOutlivesNATS(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"restarted": true, "restarted empty": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			srv, err := local.StartNATS(local.NATSConfig{StoreDir: dir})
			require.NoError(t, err)
			at, err := url.Parse(srv.URL())
			require.NoError(t, err)
			_, portText, err := net.SplitHostPort(at.Host)
			require.NoError(t, err)
			port, err := strconv.Atoi(portText)
			require.NoError(t, err)
			nc, err := rpc.Connect(srv.URL(), t.Name(), localtest.Log(t))
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			setUp(t, nc)
			l := newLog(t, nc)
			ctx, feed := within(t), start(t, l, follow.FeedConfig{})
			for n := int64(1); n < 30; n++ { // so that a new stream is behind the old one's sequence
				l.write(t, n, n)
			}
			expect(t, ctx, feed, 1, 29)

			srv.Shutdown()
			if !keep {
				dir = t.TempDir()
			}
			srv, err = local.StartNATS(local.NATSConfig{StoreDir: dir, Port: port})
			require.NoError(t, err)
			t.Cleanup(srv.Shutdown)
			require.Eventually(t, nc.IsConnected, time.Minute, 10*time.Millisecond)
			setUp(t, nc)
			l.write(t, 30, 33)
			expect(t, ctx, feed, 1, 33)
			l.publish(t, 34, 34)
			expect(t, ctx, feed, 34, 34)
			l.record(34, 34)
			l.end(34)
			l.publishEnd(t)
			expectEnd(t, ctx, feed, 35, l.ended(34))
		})
	}
}

func TestFeedOfAnUnknownExecution(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	newLog(t, nc)
	feed := follow.NewFeed(follow.FeedConfig{NATS: nc, ID: hodei.ExecutionID(uuid.Must(uuid.NewV7()))})
	require.ErrorIs(t, feed.Run(t.Context()), hodei.NotFound)
	_, err := feed.Now(t.Context())
	require.ErrorIs(t, err, hodei.NotFound)
	_, err = feed.Read(t.Context(), 1, own)
	require.ErrorIs(t, err, hodei.NotFound)
}

func TestFeedStopped(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	l := newLog(t, nc)
	feed := follow.NewFeed(follow.FeedConfig{NATS: nc, ID: l.id})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- feed.Run(ctx) }()
	_, err := feed.Now(ctx)
	require.NoError(t, err)
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = feed.Read(t.Context(), 1, own)
	require.ErrorIs(t, err, hodei.Unavailable)
	require.NoError(t, <-stopped)
	stream, err := js.Stream(t.Context(), schemas.LogStream)
	require.NoError(t, err)
	require.Zero(t, stream.CachedInfo().State.Consumers)
}

// After retention has dropped the log there is nothing to wait for.
func TestFeedOfADroppedLog(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	ctx := within(t)
	feed := follow.NewFeed(follow.FeedConfig{NATS: nc, ID: l.id, Look: time.Hour})
	run(t, feed.Run)
	_, err := feed.Now(ctx)
	require.NoError(t, err)
	l.end(7)
	l.publishEnd(t)
	expectEnd(t, ctx, feed, 1, l.ended(7))
}

func setUp(t *testing.T, nc *nats.Conn) {
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.NoError(c, kv.Setup(t.Context(), js, kv.Storage{}))
	}, time.Minute, 20*time.Millisecond)
}

// own is the room of a reader that uses new memory for each batch.
func own() *[]byte { return new([]byte) }
