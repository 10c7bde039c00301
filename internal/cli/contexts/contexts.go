package contexts

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
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
)

// Context is the address of a system. One of Server, NATS and NATSContext is set. Only its
// owner may read the file, because a URL may hold a password.
type Context struct {
	Description string `json:"description,omitempty"`
	Server      string `json:"server,omitempty"`
	NATS        string `json:"nats,omitempty"`
	// NATSContext is a context of the nats command, with its credentials.
	NATSContext string `json:"nats_context,omitempty"`
	// Token is sent to the server.
	Token string `json:"token,omitempty"`
	// Output is the --output of commands that give none.
	Output string `json:"output,omitempty"`
}

// Where is the address of the system, without a password.
func (c Context) Where() string {
	switch {
	case c.NATSContext != "":
		return "nats context " + c.NATSContext
	case c.NATS != "":
		return rpc.Redacted(c.NATS)
	}
	return rpc.Redacted(c.Server)
}

// Selection names the context for commands that name none.
type Selection struct {
	Current  string `json:"current"`
	Previous string `json:"previous,omitempty"`
}

// validName keeps names usable as file names.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// configDir is the directory of the settings of the user's programs.
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

// file is ~/.config/hodei/contexts/NAME.json.
func file(name string) (string, error) {
	if !validName.MatchString(name) {
		return "", cmdline.Usagef("context: letters, digits, '.', '_' and '-' required, not %q", name)
	}
	dir, err := configDir()
	return filepath.Join(dir, "hodei", "contexts", name+".json"), err
}

// selectionFile is ~/.config/hodei/context.json.
func selectionFile() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "hodei", "context.json"), err
}

// Read reads a context.
func Read(name string) (c Context, err error) {
	path, err := file(name)
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

// Write saves a context; one of that name is replaced.
func Write(name string, c Context) error {
	path, err := file(name)
	if err != nil {
		return err
	}
	return writeJSON(path, c)
}

// Selected is the current selection, empty when nothing was ever selected.
func Selected() (s Selection, err error) {
	path, err := selectionFile()
	if err != nil {
		return s, nil // without a home there is nothing to be selected
	}
	if err := readJSON(path, &s); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	return s, nil
}

// Select saves the selection.
func Select(s Selection) error {
	path, err := selectionFile()
	if err != nil {
		return err
	}
	return writeJSON(path, s)
}

// Names are all contexts, in alphabetical order.
func Names() ([]string, error) {
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
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && validName.MatchString(name) {
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

// writeJSON replaces the file in one step: a reader gets either the old content or the new.
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

// Redacted is the context without passwords.
func (c Context) Redacted() Context {
	c.Server, c.NATS = rpc.Redacted(c.Server), rpc.Redacted(c.NATS)
	if c.Token != "" {
		c.Token = "***"
	}
	return c
}

// Check refuses a context that could not be used.
func (c Context) Check() error {
	given := 0
	for _, where := range []string{c.Server, c.NATS, c.NATSContext} {
		if where != "" {
			given++
		}
	}
	if given != 1 {
		return cmdline.Usagef("one of --server, --nats and --nats-context is required")
	}
	if c.Token != "" {
		if c.Server == "" {
			return cmdline.Usagef("a token is for a context with --server")
		}
		if _, _, err := token.Parse(c.Token); err != nil {
			return cmdline.Usagef("token: %w", err)
		}
	}
	if c.NATSContext != "" {
		if _, _, err := NATS(c.NATSContext); err != nil {
			return err
		}
	}
	switch c.Output {
	case "", "table", "json", "yaml", "name":
		return nil
	}
	return cmdline.Usagef("--output: table, json, yaml or name required, not %q", c.Output)
}

// Remove removes the file of a context.
func Remove(name string) error {
	if _, err := Read(name); err != nil {
		return err
	}
	path, err := file(name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}
