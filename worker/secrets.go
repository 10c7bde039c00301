package worker

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/hodei-jobs/hodei"
)

// openSecrets adds the values of the secrets to the environment of the run, and to what
// its log masks. A value that is wanted as a file is in a file that only the user of the
// worker can read; closeSecrets removes it. Its errors are for users, and contain no
// value.
func (w *Worker) openSecrets(r *run) error {
	switch {
	case r.req.NoSecrets != "":
		return errors.New(r.req.NoSecrets)
	case len(r.req.Secrets) == 0:
		return nil
	case r.req.Sealed == nil:
		return errors.New("the worker manager sent no secrets")
	}
	values, err := w.seal.Open(r.req.Sealed.From, r.req.Sealed.Data, r.req.ExecutionID)
	if err != nil {
		return err
	}
	for _, value := range values {
		r.secrets.Add(value)
	}
	r.environment = maps.Clone(r.req.Environment)
	for i, ref := range r.req.Secrets {
		value, ok := values[ref.Name]
		if !ok {
			return fmt.Errorf("there is no secret %s", ref.Name)
		}
		if ref.AsFile {
			if value, err = w.secretFile(r.req.ExecutionID, i, value); err != nil {
				return fmt.Errorf("the secret %s: %w", ref.Name, err)
			}
		}
		r.environment[ref.Variable()] = value
	}
	return nil
}

// secretsDir is where the files of this process of the worker are. The next process and
// the reaper remove it.
func (w *Worker) secretsDir() string { return filepath.Join(w.state.secrets, w.incarnation) }

// secretFile writes a value to a file and returns the path.
func (w *Worker) secretFile(id hodei.ExecutionID, n int, value string) (string, error) {
	dir := filepath.Join(w.secretsDir(), id.String())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprint(n+1))
	return path, os.WriteFile(path, []byte(value), 0o600)
}

// closeSecrets removes the files of an ended run.
func (w *Worker) closeSecrets(r *run) {
	for _, ref := range r.req.Secrets {
		if ref.AsFile {
			if err := os.RemoveAll(filepath.Join(w.secretsDir(), r.req.ExecutionID.String())); err != nil {
				w.log.Error("files of secrets not removed", "execution_id", r.req.ExecutionID, "err", err)
			}
			return
		}
	}
}

// checkOutputs returns an error for an output that contains a secret: outputs are
// recorded, and shown.
func (r *run) checkOutputs(outputs map[string]string) error {
	for name, value := range outputs {
		if r.secrets.Contains(value) || r.secrets.Contains(name) {
			return fmt.Errorf("the output %s contains a secret, and is not recorded", r.secrets.Mask(name))
		}
	}
	return nil
}
