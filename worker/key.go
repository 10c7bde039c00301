package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"github.com/hodei-jobs/hodei"
)

// Key returns the id of the worker in a state directory and the path of the file with the seed of
// the worker's key for NATS, which only its owner can read. Without a key, make decides whether
// to create one. A new key comes with a new id, because a key belongs to one worker. Without a
// key the path is "".
func Key(dir string, make bool) (id hodei.WorkerID, path string, err error) {
	path = filepath.Join(dir, "nats.nk")
	s := &state{dir: dir}
	_, err = os.Stat(path)
	switch {
	case err == nil:
		known := s.workerID()
		if known == nil {
			return id, "", fmt.Errorf("%s has the key of a worker but not its id: delete %s to join as another worker", dir, path)
		}
		return *known, path, nil
	case !errors.Is(err, fs.ErrNotExist):
		return id, "", fmt.Errorf("read the key of the worker: %w", err)
	case !make:
		return id, "", nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return id, "", fmt.Errorf("create state directory: %w", err)
	}
	key, err := nkeys.CreateUser()
	if err != nil {
		return id, "", fmt.Errorf("make the key of the worker: %w", err)
	}
	seed, err := key.Seed()
	if err != nil {
		return id, "", fmt.Errorf("make the key of the worker: %w", err)
	}
	id = hodei.WorkerID(uuid.Must(uuid.NewV7()))
	if err := s.keepID(id); err != nil {
		return id, "", err
	}
	next := path + ".next"
	if err := errors.Join(os.RemoveAll(next), os.WriteFile(next, append(seed, '\n'), 0o600), os.Rename(next, path)); err != nil {
		return id, "", fmt.Errorf("keep the key of the worker: %w", err)
	}
	return id, path, nil
}
