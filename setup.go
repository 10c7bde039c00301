package hodei

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Setup is the environment of a command on its worker.
type Setup struct {
	// Shell runs a command that is a string: sh, bash, pwsh, or a list to which the
	// script is appended. Without one it runs as `sh -c`.
	Shell Shell `json:"shell,omitzero" db:"-" file:",default=sh"`
	// After is a script that runs in the same directory once the command has ended,
	// however it ended, for at most five minutes. The variable HODEI_STATUS has the
	// outcome. A failure of the script is a line in the log.
	After string `json:"after,omitempty" db:"-" jsonschema:"maxLength=131072"`
	// Checkout, where false, starts the job without the tree of the source.
	Checkout *bool `json:"checkout,omitempty" db:"-" jsonschema:"default=true"`
	// Artifacts are files of the job to keep.
	Artifacts []ArtifactSpec `json:"artifacts,omitempty" db:"-" jsonschema:"maxItems=100"`
	// Caches are files to keep for later runs.
	Caches []CacheSpec `json:"caches,omitempty" db:"-" jsonschema:"maxItems=20"`
	// Secrets are variables whose values are kept apart from the definition.
	Secrets []SecretRef `json:"secrets,omitempty" db:"-" jsonschema:"maxItems=100"`
	// Container runs the command in a container.
	Container *Container `json:"container,omitempty" db:"-"`
	// Services are further containers, which the command reaches by their keys as
	// host names.
	Services map[string]Sidecar `json:"services,omitempty" db:"-"`
	// Limits bound the resources of the command.
	Limits *Limits `json:"limits,omitempty" db:"-"`
	// RunAs is the user that the command runs as; the worker's default if left out.
	RunAs string `json:"run_as,omitempty" db:"-" jsonschema:"maxLength=64"`
}

// Shell is the program that a script is handed to. In JSON it is a name, or a list
// to which the script is appended.
type Shell struct {
	Name string   // sh, bash or pwsh
	Args []string // the program and its arguments, when given as a list
}

// shells are the programs of the names.
var shells = map[string][]string{
	"sh":   {"sh", "-ec"},
	"bash": {"bash", "-eo", "pipefail", "-c"},
	"pwsh": {"pwsh", "-NoProfile", "-NonInteractive", "-Command"},
}

// IsZero reports whether there is no shell.
func (s Shell) IsZero() bool { return s.Name == "" && len(s.Args) == 0 }

// Argv is the program with its arguments for the script; `sh -c` without a shell.
func (s Shell) Argv(script string) []string {
	argv := s.Args
	if len(argv) == 0 {
		argv = shells[s.Name]
	}
	if len(argv) == 0 {
		argv = []string{"sh", "-c"}
	}
	return append(slices.Clone(argv), script)
}

// MarshalJSON writes the form in which the shell was given.
func (s Shell) MarshalJSON() ([]byte, error) {
	switch {
	case s.IsZero():
		return []byte("null"), nil
	case len(s.Args) > 0:
		return JSON(s.Args)
	}
	return JSON(s.Name)
}

// UnmarshalJSON reads a name, a list or null.
func (s *Shell) UnmarshalJSON(data []byte) error {
	*s = Shell{}
	switch data = bytes.TrimSpace(data); {
	case isText(data):
		return json.Unmarshal(data, &s.Name)
	case len(data) > 0 && data[0] == '[':
		return json.Unmarshal(data, &s.Args)
	case string(data) == "null":
		return nil
	}
	return errors.New("shell: sh, bash, pwsh or a list of strings is required")
}

// ArtifactSpec is a set of files that the run keeps under a name.
type ArtifactSpec struct {
	Name string `json:"name" jsonschema:"required,minLength=1,maxLength=100"`
	// Paths are globs relative to the working directory; ** matches directories.
	Paths []string `json:"paths" jsonschema:"required,minItems=1,maxItems=100"`
	// When is the outcome of the command with which they are kept.
	When When `json:"when,omitempty" jsonschema:"enum=success,enum=always,enum=failure,default=success"`
	// KeepSeconds is how long they are kept; as long as the run if left out.
	KeepSeconds *float64 `json:"keep_seconds,omitempty" file:"keep,duration" jsonschema:"exclusiveMinimum=0,maximum=315360000"`
	// IfNone is the action if no file matches.
	IfNone string `json:"if_none,omitempty" jsonschema:"enum=warn,enum=error,enum=ignore,default=warn"`
}

// CacheSpec is a set of files that later runs start with.
type CacheSpec struct {
	// Key names the content; file_hash('go.sum') in ${{ }} is the digest of files.
	Key string `json:"key" jsonschema:"required,minLength=1,maxLength=500"`
	// Restore are prefixes of keys to take when there is no cache with the key itself.
	Restore []string `json:"restore,omitempty" jsonschema:"maxItems=20"`
	// Paths are globs relative to the working directory, or with ~/ to the home directory.
	Paths []string `json:"paths" jsonschema:"required,minItems=1,maxItems=100"`
}

// Globs returns the globs in the working directory, and those in the home directory without ~/.
func (c CacheSpec) Globs() (dir, home []string) {
	for _, glob := range c.Paths {
		text, not := strings.CutPrefix(glob, "!")
		below, isHome := strings.CutPrefix(text, "~/")
		switch {
		case isHome && not:
			home = append(home, "!"+below)
		case isHome:
			home = append(home, below)
		default:
			dir = append(dir, glob)
		}
	}
	return dir, home
}

// SecretRef hands the value of a secret to the command. In JSON it is the name of
// the secret, or an object.
type SecretRef struct {
	Name string `json:"name" file:",short" jsonschema:"required,minLength=1,maxLength=100"`
	// As is the variable that has the value; the name of the secret if left out.
	As string `json:"as,omitempty" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$"`
	// AsFile puts the value in a file, and the path of the file in the variable.
	AsFile bool `json:"as_file,omitempty" jsonschema:"default=false"`
}

// Variable is the environment variable that the command finds the secret in.
func (s SecretRef) Variable() string {
	if s.As != "" {
		return s.As
	}
	return s.Name
}

// MarshalJSON writes the name where nothing else is given.
func (s SecretRef) MarshalJSON() ([]byte, error) {
	if s.As == "" && !s.AsFile {
		return JSON(s.Name)
	}
	type plain SecretRef
	return JSON(plain(s))
}

// UnmarshalJSON reads a name or an object.
func (s *SecretRef) UnmarshalJSON(data []byte) error {
	if *s = (SecretRef{}); isText(data) {
		return json.Unmarshal(data, &s.Name)
	}
	type plain SecretRef
	return json.Unmarshal(data, (*plain)(s))
}

// Container is the container that a command runs in.
type Container struct {
	Image string `json:"image" jsonschema:"required,minLength=1,maxLength=500"`
	// Pull is when the image is fetched.
	Pull string `json:"pull,omitempty" jsonschema:"enum=always,enum=missing,enum=never,default=missing"`
	// Network is the network of the container.
	Network string `json:"network,omitempty" jsonschema:"enum=none,enum=host,enum=bridge,default=bridge"`
	// User is the user inside the container; the image's if left out.
	User string `json:"user,omitempty" jsonschema:"maxLength=64"`
}

// Sidecar is a container that runs beside the container of a job.
type Sidecar struct {
	Image       string            `json:"image" jsonschema:"required,minLength=1,maxLength=500"`
	Environment map[string]string `json:"environment,omitempty" file:"env"`
	// Ready is a script that exits with 0 once the service answers; it is retried for
	// 60 seconds before the command starts.
	Ready string `json:"ready,omitempty" jsonschema:"maxLength=131072"`
}

// Limits bound the resources of a command.
type Limits struct {
	// Memory is the most bytes that all its processes may hold.
	Memory int64 `json:"memory,omitempty" file:",size" jsonschema:"minimum=1,maximum=9007199254740992"`
	// CPU is the number of processors that they may use, as 1.5.
	CPU float64 `json:"cpu,omitempty" jsonschema:"exclusiveMinimum=0,maximum=10000"`
	// Pids is the most processes and threads at a time.
	Pids int `json:"pids,omitempty" jsonschema:"minimum=1,maximum=4194304"`
	// Files is the most open files of a process.
	Files int `json:"files,omitempty" jsonschema:"minimum=1,maximum=1073741816"`
	// Required places the job only on a worker that enforces all of them.
	Required bool `json:"required,omitempty" jsonschema:"default=false"`
}
