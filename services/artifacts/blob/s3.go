package blob

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"

	"github.com/minio/minio-go/v7"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/schemas"
)

// S3 stores content in a bucket of S3, or of a server with its protocol. Any number of
// instances may use one bucket.
//
// Each part of an upload is an object, so that any instance can write it and all of them see
// it. Complete copies the parts into one object: S3 shows that once it is whole, or never.
type S3 struct {
	core           minio.Core
	transport      *http.Transport
	bucket, prefix string
	// large bounds the large uploads that are completed at a time, because each takes
	// partBytes × partsAtOnce of memory.
	large chan struct{}
}

const (
	// partBytes is the size of a part of an object, the least that S3 allows. Content up to
	// that is written with one request.
	partBytes = 5 << 20
	// partsAtOnce is how many parts of an object are written at a time.
	partsAtOnce = 3
	largeAtOnce = 2
	// mostParts is one less than S3 allows, because the last part may be small.
	mostParts = 9999
)

// Close releases the connections.
func (s *S3) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// uploadPrefix is the beginning of the keys of the parts of an upload.
func (s *S3) uploadPrefix(id hodei.BlobID) string {
	return s.prefix + path.Join(uploads, id.String()) + "/"
}

func (s *S3) partKey(id hodei.BlobID, offset int64) string {
	return fmt.Sprintf("%s%016x", s.uploadPrefix(id), offset)
}

func (s *S3) blobKey(id hodei.BlobID) string { return s.prefix + path.Join(blobs, id.String()) }

// Write writes a part.
func (s *S3) Write(ctx context.Context, id hodei.BlobID, offset int64, data []byte) error {
	return s.put(ctx, s.partKey(id, offset), data)
}

// put writes an object with one request.
func (s *S3) put(ctx context.Context, key string, data []byte) error {
	_, err := s.core.Client.PutObject(ctx, s.bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{
		DisableContentSha256: true, DisableMultipart: true,
	})
	return failure("write", err)
}

// Received lists the parts.
func (s *S3) Received(ctx context.Context, id hodei.BlobID) (int64, error) {
	_, end, err := s.parts(ctx, id)
	return end, err
}

// parts returns the parts of an upload that are needed to read it, and its number of bytes
// without a hole.
func (s *S3) parts(ctx context.Context, id hodei.BlobID) (parts []part, end int64, err error) {
	found, err := s.list(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	for _, object := range found {
		offset, err := strconv.ParseInt(path.Base(object.Key), 16, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("%s is no part of an upload: %w", object.Key, err)
		}
		parts = append(parts, part{offset, object.Size})
	}
	parts, end = cover(parts)
	return parts, end, nil
}

func (s *S3) list(ctx context.Context, id hodei.BlobID) (found []minio.ObjectInfo, err error) {
	for object := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.uploadPrefix(id), Recursive: true}) {
		if object.Err != nil {
			return nil, failure("list", object.Err)
		}
		found = append(found, object)
	}
	return found, failure("list", ctx.Err())
}

// Complete verifies the upload and copies it into one object.
func (s *S3) Complete(ctx context.Context, id hodei.BlobID, want hodei.Blob) error {
	_, err := s.core.StatObject(ctx, s.bucket, s.blobKey(id), minio.StatObjectOptions{})
	if err != nil && !is(err, minio.NoSuchKey) {
		return failure("find", err)
	}
	if err != nil { // otherwise an earlier request has completed it
		err = s.join(ctx, id, want)
	}
	if err == nil || errors.Is(err, ErrDamaged) {
		err = errors.Join(err, s.clear(ctx, id))
	}
	return err
}

// join makes one object of the parts of an upload.
func (s *S3) join(ctx context.Context, id hodei.BlobID, want hodei.Blob) error {
	if want.Size > partBytes {
		select {
		case s.large <- struct{}{}:
			defer func() { <-s.large }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	parts, end, err := s.parts(ctx, id)
	if err != nil {
		return err
	}
	if end != want.Size {
		return ErrDamaged
	}
	content := transfer.Open(ctx, transfer.Wire{Read: func(ctx context.Context, b hodei.Blob, offset int64) ([]byte, error) {
		return s.readUpload(ctx, id, parts, offset, min(schemas.ChunkBytes, b.Size-offset))
	}}, want)
	defer func() { _ = content.Close() }() // never fails
	err = s.copy(ctx, s.blobKey(id), content, want.Size)
	if errors.Is(err, transfer.ErrWrong) {
		return ErrDamaged
	}
	return failure("write", err)
}

// copy writes an object, unless reading the content fails.
func (s *S3) copy(ctx context.Context, key string, content io.Reader, size int64) error {
	if size <= partBytes {
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		return s.put(ctx, key, data)
	}
	if err := s.abort(ctx, key); err != nil { // of an instance that has died
		return err
	}
	_, err := s.core.Client.PutObject(ctx, s.bucket, key, content, size, minio.PutObjectOptions{
		DisableContentSha256: true, PartSize: uint64(max(partBytes, size/mostParts+1)), NumThreads: partsAtOnce, ConcurrentStreamParts: true,
	})
	return err
}

// readUpload reads from the parts of an upload.
func (s *S3) readUpload(ctx context.Context, id hodei.BlobID, parts []part, offset, size int64) ([]byte, error) {
	data := make([]byte, size)
	for rest := data; len(rest) > 0; {
		i, exact := slices.BinarySearchFunc(parts, offset, func(p part, at int64) int { return cmp.Compare(p.offset, at) })
		if !exact {
			i--
		}
		p := parts[i]
		n, err := s.read(ctx, s.partKey(id, p.offset), offset-p.offset, rest[:min(int64(len(rest)), p.offset+p.size-offset)])
		if err == nil && n == 0 || is(err, minio.NoSuchKey) { // it was deleted meanwhile
			return nil, hodei.Missing("upload", id.String())
		}
		if err != nil {
			return nil, failure("read", err)
		}
		rest, offset = rest[n:], offset+int64(n)
	}
	return data, nil
}

// Read reads from complete content.
func (s *S3) Read(ctx context.Context, id hodei.BlobID, offset int64, data []byte) (int, error) {
	n, err := s.read(ctx, s.blobKey(id), offset, data)
	if is(err, minio.NoSuchKey) {
		return 0, hodei.Missing("blob", id.String())
	}
	return n, failure("read", err)
}

// read fills data from an object, and returns how many bytes there were.
func (s *S3) read(ctx context.Context, key string, offset int64, data []byte) (int, error) {
	var from minio.GetObjectOptions
	if len(data) == 0 {
		_, err := s.core.StatObject(ctx, s.bucket, key, from)
		return 0, err
	}
	if err := from.SetRange(offset, offset+int64(len(data))-1); err != nil {
		return 0, err
	}
	body, info, _, err := s.core.GetObject(ctx, s.bucket, key, from)
	switch {
	case is(err, minio.InvalidRange): // it begins after the end
		return 0, nil
	case err != nil:
		return 0, err
	}
	defer body.Close()
	return io.ReadFull(body, data[:min(int64(len(data)), info.Size)])
}

// Delete deletes the objects, and the parts of an object that was never finished.
func (s *S3) Delete(ctx context.Context, id hodei.BlobID) error {
	key := s.blobKey(id)
	return errors.Join(
		failure("delete", s.core.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})),
		s.abort(ctx, key),
		s.clear(ctx, id))
}

// abort deletes the parts of objects that were never finished. There need not be any.
func (s *S3) abort(ctx context.Context, key string) error {
	err := s.core.RemoveIncompleteUpload(ctx, s.bucket, key)
	if is(err, minio.NoSuchUpload) {
		return nil
	}
	return failure("abort", err)
}

// clear deletes the parts of an upload.
func (s *S3) clear(ctx context.Context, id hodei.BlobID) error {
	found, err := s.list(ctx, id)
	if err != nil || len(found) == 0 {
		return err
	}
	deleted, err := s.core.RemoveObjectsWithIter(ctx, s.bucket, slices.Values(found), minio.RemoveObjectsOptions{})
	if err != nil {
		return failure("delete", err)
	}
	for object := range deleted {
		err = errors.Join(err, failure("delete", object.Err))
	}
	return err
}
