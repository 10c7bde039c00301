package kv

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// Term is how long a leader's key outlives its last renewal: the TTL of the
	// LEADERS bucket, and so the longest part of a failover.
	Term = time.Second
	// renewal is how often the leader renews its key.
	renewal = Term / 4
	// trust is how long after the start of a renewal that succeeded the leader acts
	// on it. The rest of the term covers what a decision takes to have its effect.
	trust = Term * 3 / 4
	// again is the pause between two attempts to acquire a lease whose leader is
	// silent: the server removes an expired key up to 250 ms late.
	again = 100 * time.Millisecond
)

// Leader is one instance's candidacy for a lease that one of several instances holds:
// a key in the LEADERS bucket, whose value is the holder's id and whose revision fences
// the holder. Each renewal names the revision that it replaces, so a renewal fails once
// another instance has acquired the lease.
//
//	Acquire ──► Hold ──► renewals ──► fn returns ──► the key is deleted: the next acquires at once
//	   ▲                    └─ the last one is older than trust: fn's context ends ─┐
//	   └────────────────────────────────────────────────────────────────────────────┘
type Leader struct {
	js       jetstream.JetStream
	key, id  string
	bucket   jetstream.KeyValue
	revision uint64                    // of the key as this instance last wrote it, 0 without the lease
	until    atomic.Pointer[time.Time] // the end of trust
}

// NewLeader returns a candidate for the lease with the key.
func NewLeader(js jetstream.JetStream, key string) *Leader {
	l := &Leader{js: js, key: key, id: uuid.NewString()}
	l.until.Store(&time.Time{})
	return l
}

// Trusted reports whether no other instance can hold the lease now. It ends before the
// key expires, by this machine's monotonic clock, so a process that was stopped finds it
// false before it does anything else.
func (l *Leader) Trusted() bool { return time.Now().Before(*l.until.Load()) }

// Acquire waits for the lease. It returns nil when this instance holds it, or the error of
// ctx. It tries when the holder deletes the key, and when the holder has not renewed it for a
// term.
func (l *Leader) Acquire(ctx context.Context) error {
	changes := make(chan *nats.Msg, 16)
	sub, err := l.js.Conn().Subscribe(schemas.LeaderSubject(l.key), func(change *nats.Msg) {
		attempt := change.Header.Get(jetstream.ExpectedLastSubjSeqHeader) == "0" // to acquire it, by this instance or another one
		if !attempt && (deleted(change) || isLease(change.Data)) && string(change.Data) != l.id {
			select {
			case changes <- change:
			default: // those in the channel suffice
			}
		}
	})
	if err != nil {
		return fmt.Errorf("follow lease %s: %w", l.key, err)
	}
	defer sub.Unsubscribe()
	silent := time.Now() // since when no other instance has renewed it
	for !l.TryAcquire(ctx) && (time.Since(silent) < Term || !l.seize(ctx, changes)) {
		wait := time.NewTimer(again)
		for free := false; !free; {
			select {
			case <-ctx.Done():
				wait.Stop()
				return ctx.Err()
			case change := <-changes:
				free, silent = deleted(change), time.Now()
				wait.Reset(Term)
			case <-wait.C:
				free = true
			}
		}
		wait.Stop()
	}
	return nil
}

// TryAcquire tries to acquire the lease once. It returns false while another instance holds
// it or JetStream cannot store the key.
func (l *Leader) TryAcquire(ctx context.Context) bool {
	return l.write(ctx, func(ctx context.Context) (revision uint64, err error) {
		if l.bucket, err = l.js.KeyValue(ctx, schemas.LeadersBucket); err != nil {
			return 0, err
		}
		return l.bucket.Create(ctx, l.key, []byte(l.id))
	}) == nil
}

// seize acquires the lease although the key exists, because its value is no lease, see own: as
// long as such values are written, the key does not expire. The caller has received no renewal for
// a term. The former leader may still trust its last write, and replace such a value too, so this
// instance waits until that trust has ended, and leaves the lease if another instance writes it.
func (l *Leader) seize(ctx context.Context, changes <-chan *nats.Msg) bool {
	if l.bucket == nil {
		return false
	}
	connections := l.js.Conn().Stats().Reconnects
	entry, err := l.bucket.Get(ctx, l.key)
	if err != nil || isLease(entry.Value()) {
		return false
	}
	if l.revision, err = l.bucket.Update(ctx, l.key, []byte(l.id), entry.Revision()); err != nil {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-changes:
		return false
	case <-time.After(trust):
	}
	if l.js.Conn().Stats().Reconnects != connections { // it may have missed a renewal
		return false
	}
	for range seizures {
		switch err := l.update(ctx); {
		case err == nil && len(changes) == 0:
			return true
		case err == nil:
			l.until.Store(&time.Time{})
			return false
		case !errors.Is(err, jetstream.ErrKeyRevisionMismatch) || !l.own(ctx):
			return false
		}
	}
	return false
}

// seizures is how often seize tries to confirm the lease.
const seizures = 10

func deleted(change *nats.Msg) bool { return change.Header.Get("KV-Operation") != "" }

// update renews the lease if the key has the revision that this instance knows.
func (l *Leader) update(ctx context.Context) error {
	return l.write(ctx, func(ctx context.Context) (uint64, error) {
		return l.bucket.Update(ctx, l.key, []byte(l.id), l.revision)
	})
}

// write calls put to write the key. Trust begins at the time before the write.
func (l *Leader) write(ctx context.Context, put func(context.Context) (uint64, error)) error {
	ctx, cancel := context.WithTimeout(ctx, renewal)
	defer cancel()
	until := time.Now().Add(trust)
	revision, err := put(ctx)
	if err == nil {
		l.revision = revision
		l.until.Store(&until)
	}
	return err
}

// Hold runs fn, renews the lease until fn has returned, and then releases it. The context of
// fn ends with ctx, or when the lease is no longer trusted.
func (l *Leader) Hold(ctx context.Context, fn func(context.Context) error) error {
	leading, stop := context.WithCancel(ctx)
	defer stop()
	renewing, done := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer stop()
		l.renew(renewing)
	}()
	err := fn(leading)
	done()
	<-ended
	l.release()
	return err
}

// renew renews the lease until ctx is done, or the lease is lost or no longer trusted.
func (l *Leader) renew(ctx context.Context) {
	for {
		wait := time.NewTimer(min(renewal, time.Until(*l.until.Load())))
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
		if ctx.Err() != nil || !l.Trusted() {
			return
		}
		if !l.rewrite(ctx) {
			l.until.Store(&time.Time{})
			return
		}
	}
}

// rewrite renews the lease once. It returns false if the lease is lost. If a write of another
// program came between, it tries again at once, while this instance trusts the lease.
func (l *Leader) rewrite(ctx context.Context) bool {
	for l.Trusted() {
		last := l.revision
		err := l.update(ctx)
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			break
		}
		if !l.own(ctx) {
			return false
		}
		if l.revision == last { // not known
			break
		}
	}
	return true
}

// own reports whether this instance may still hold the key, and reads its revision: an update
// may have been stored although its acknowledgement was lost.
//
// A value that is no lease does not end the lease: a worker can direct the acknowledgements of
// JetStream to the subject of the key. The instance replaces it, as it still trusts its last
// write: no other instance can have had the lease since, because the key was never absent.
func (l *Leader) own(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, renewal)
	defer cancel()
	entry, err := l.bucket.Get(ctx, l.key)
	if err != nil {
		return !errors.Is(err, jetstream.ErrKeyNotFound) // not known: trust ends by itself
	}
	if string(entry.Value()) != l.id && isLease(entry.Value()) {
		return false
	}
	l.revision = entry.Revision()
	return true
}

// isLease reports whether a value of the key is the id of an instance.
func isLease(value []byte) bool { return uuid.Validate(string(value)) == nil }

// release deletes the key if this instance wrote it last.
func (l *Leader) release() {
	l.until.Store(&time.Time{})
	if l.revision == 0 { // LastRevision(0) would delete any
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), Term)
	defer cancel()
	_ = l.bucket.Delete(ctx, l.key, jetstream.LastRevision(l.revision)) // else it expires
	l.revision = 0
}
