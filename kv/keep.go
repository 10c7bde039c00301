package kv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// probeBytes is the size of a test write: more than a block of the file
	// system, so that it needs newly allocated space. probeMost limits the size
	// of the probe stream.
	probeBytes, probeMost = 8 << 10, 64 << 10
	// roomBytes is the free space that is required before streams are
	// recreated. Every NATS server allows a message of this size.
	roomBytes = 512 << 10
)

// ackWithin is how long a test write may take. A stream whose file could not be
// written does not answer publishers at all.
const ackWithin = 2 * time.Second

// Keep recreates missing streams and a missing bucket, and those that refuse
// every message although JetStream stores others: once its file could not be
// written, a stream refuses messages until it is recreated or its server is
// restarted. It returns the names of the recreated ones, which are empty, and
// an error while JetStream stores nothing.
//
// The content of a recreated stream is lost only in NATS: the record is in
// Postgres, workers write their keys again, and readers detect the loss.
func Keep(ctx context.Context, js jetstream.JetStream, s Storage) (recreated []string, err error) {
	if err := probe(ctx, js, s); err != nil {
		return nil, err
	}
	var refused []string
	for _, name := range schemas.Streams {
		switch state, err := examine(ctx, js, name); {
		case err != nil:
			return nil, err
		case state == missing:
			recreated = append(recreated, name)
		case state == refusing:
			refused = append(refused, name)
		}
	}
	if len(refused) > 0 {
		if err := room(ctx, js, s); err != nil {
			return nil, fmt.Errorf("%s refuse messages: %w", strings.Join(refused, ", "), err)
		}
	}
	for _, name := range refused {
		if err := remove(ctx, js, name); err != nil {
			return recreated, err
		}
		recreated = append(recreated, name)
	}
	if len(recreated) > 0 {
		err = Setup(ctx, js, s)
	}
	return recreated, err
}

// probe stores a message in a separate stream, which has no readers, and
// recreates that stream if it is missing or refuses the message.
func probe(ctx context.Context, js jetstream.JetStream, s Storage) error {
	err := testWrite(ctx, js, probeBytes)
	if err == nil || ctx.Err() != nil {
		return err
	}
	state, examined := examine(ctx, js, schemas.ProbeStream)
	switch {
	case examined != nil:
		return examined
	case state == storing:
		return err // it is slow, or the account is full
	case state == refusing:
		if err := room(ctx, js, s); err != nil {
			return err
		}
	}
	if err := makeProbe(ctx, js, s, probeMost); err != nil {
		return err
	}
	return testWrite(ctx, js, probeBytes)
}

// room fails unless JetStream can store more than the deletion of the probe
// stream has freed. It leaves no probe stream.
func room(ctx context.Context, js jetstream.JetStream, s Storage) error {
	err := remove(ctx, js, schemas.ProbeStream)
	if err == nil {
		err = makeProbe(ctx, js, s, 2*roomBytes)
	}
	if err == nil {
		err = testWrite(ctx, js, roomBytes)
	}
	return errors.Join(err, remove(ctx, js, schemas.ProbeStream))
}

// makeProbe creates the probe stream with files of at most this many bytes.
func makeProbe(ctx context.Context, js jetstream.JetStream, s Storage, most int64) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: schemas.ProbeStream, Subjects: []string{schemas.ProbeSubject},
		Description: "A test write every few seconds, which shows whether JetStream stores messages",
		MaxMsgs:     1, MaxBytes: most, Discard: jetstream.DiscardOld, Storage: jetstream.FileStorage, Replicas: max(s.Replicas, 1),
	})
	if err != nil {
		return fmt.Errorf("create stream %s: %w", schemas.ProbeStream, err)
	}
	return nil
}

func testWrite(ctx context.Context, js jetstream.JetStream, size int) error {
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	if _, err := js.Publish(ctx, schemas.ProbeSubject, make([]byte, size), jetstream.WithRetryAttempts(0)); err != nil {
		return fmt.Errorf("write to stream %s: %w", schemas.ProbeStream, err)
	}
	return nil
}

// condition is how a stream handles messages.
type condition string

const (
	missing  condition = "missing"
	refusing condition = "refusing"
	storing  condition = "storing"
)

// examine purges a subject that the stream does not contain. The purge changes
// nothing, but a stream that refuses writes refuses it. A stream whose servers are away may
// come back with them, and must not be deleted.
func examine(ctx context.Context, js jetstream.JetStream, name string) (condition, error) {
	var api *jetstream.APIError
	stream, err := js.Stream(ctx, name)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(nothing))
	}
	switch {
	case err == nil:
		return storing, nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return missing, nil
	case errors.As(err, &api) && api.ErrorCode != streamOffline && api.ErrorCode != clusterNotAvailable:
		return refusing, nil
	}
	return "", fmt.Errorf("examine stream %s: %w", name, err)
}

// Errors of nats-server while no server of a stream is there, or its servers have no leader
// (JSStreamOfflineErr and JSClusterNotAvailErr).
const streamOffline, clusterNotAvailable jetstream.ErrorCode = 10118, 10008

// nothing is a subject that belongs to no stream.
const nothing = "hodei.nothing"

func remove(ctx context.Context, js jetstream.JetStream, name string) error {
	if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("delete stream %s, which refuses messages: %w", name, err)
	}
	return nil
}
