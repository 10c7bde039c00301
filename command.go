package hodei

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// Command is the command of an execution. A string runs as `sh -c <string>`; a
// list runs directly, without a shell. Command keeps the form in which it was
// given.
type Command struct {
	Shell string   // the script, when given as a string
	Args  []string // the program and its arguments, when given as a list
}

// IsZero reports whether there is no command.
func (c Command) IsZero() bool { return c.Shell == "" && len(c.Args) == 0 }

// Argv returns the program and its arguments, ready for exec.
func (c Command) Argv() []string {
	if len(c.Args) > 0 {
		return c.Args
	}
	return []string{"sh", "-c", c.Shell}
}

// String returns the command as a user would type it, for display only.
func (c Command) String() string {
	if len(c.Args) == 0 {
		return c.Shell
	}
	words := make([]string, len(c.Args))
	for i, arg := range c.Args {
		words[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`*?;&|<>()#~") {
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// MarshalJSON writes the form in which the command was given, null if there is
// no command.
func (c Command) MarshalJSON() ([]byte, error) {
	switch {
	case c.IsZero():
		return []byte("null"), nil
	case len(c.Args) > 0:
		return JSON(c.Args)
	default:
		return JSON(c.Shell)
	}
}

// UnmarshalJSON reads a string, a list of strings or null.
func (c *Command) UnmarshalJSON(data []byte) error {
	*c = Command{}
	switch data = bytes.TrimSpace(data); {
	case len(data) > 0 && data[0] == '"':
		return json.Unmarshal(data, &c.Shell)
	case len(data) > 0 && data[0] == '[':
		return json.Unmarshal(data, &c.Args)
	case string(data) == "null":
		return nil
	}
	return errors.New("command: a string or a list of strings is required")
}

// Argv is the program and its arguments, ready for exec: the command as it is when it
// is a list, else the shell with the script.
func (s Spec) Argv() []string {
	if len(s.Command.Args) > 0 {
		return s.Command.Args
	}
	return s.Shell.Argv(s.Command.Shell)
}
