package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// savedContext says where a system is. One of Server, NATS and NATSContext is
// set. It is a file that only its owner may read: a URL may hold a password.
type savedContext struct {
	Description string `json:"description,omitempty"`
	Server      string `json:"server,omitempty"`
	NATS        string `json:"nats,omitempty"`
	// NATSContext is a context of the nats command, with its credentials.
	NATSContext string `json:"nats_context,omitempty"`
	// Output is the --output of commands that give none.
	Output string `json:"output,omitempty"`
}

// where is the system, fit to be shown.
func (c savedContext) where() string {
	switch {
	case c.NATSContext != "":
		return "nats context " + c.NATSContext
	case c.NATS != "":
		return rpc.Redacted(c.NATS)
	}
	return rpc.Redacted(c.Server)
}

// selection is which context is used where none is named.
type selection struct {
	Current  string `json:"current"`
	Previous string `json:"previous,omitempty"`
}

var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// configDir is where people's programs keep their settings.
func configDir() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find contexts: %w", err)
	}
	return filepath.Join(home, ".config"), nil
}

// contextFile is ~/.config/hodei/contexts/NAME.json.
func contextFile(name string) (string, error) {
	if !contextName.MatchString(name) {
		return "", usageError{fmt.Errorf("context: letters, digits, '.', '_' and '-' required, not %q", name)}
	}
	dir, err := configDir()
	return filepath.Join(dir, "hodei", "contexts", name+".json"), err
}

// selectionFile is ~/.config/hodei/context.json.
func selectionFile() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "hodei", "context.json"), err
}

func readContext(name string) (c savedContext, err error) {
	path, err := contextFile(name)
	if err != nil {
		return c, err
	}
	if err := readJSON(path, &c); errors.Is(err, fs.ErrNotExist) {
		return c, hodei.Errorf(hodei.NotFound, "no context is named %q; see `hodei context ls`", name)
	} else if err != nil {
		return c, err
	}
	return c, nil
}

func writeContext(name string, c savedContext) error {
	path, err := contextFile(name)
	if err != nil {
		return err
	}
	return writeJSON(path, c)
}

// readSelection is empty where nothing was ever selected.
func readSelection() (s selection, err error) {
	path, err := selectionFile()
	if err != nil {
		return s, nil // without a home there is nothing to be selected
	}
	if err := readJSON(path, &s); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	return s, nil
}

func writeSelection(s selection) error {
	path, err := selectionFile()
	if err != nil {
		return err
	}
	return writeJSON(path, s)
}

// contextNames are all contexts, in alphabetical order.
func contextNames() ([]string, error) {
	dir, err := configDir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, "hodei", "contexts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && contextName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func readJSON(path string, into any) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces the file as a whole: whoever reads it meets the old one or
// the new one.
func writeJSON(path string, from any) error {
	body, err := json.MarshalIndent(from, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(append(body, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
