package hodei

import "fmt"

// The size limits of a job or an execution. MaxCommand is Linux's limit of an
// argument; the others keep a record well below the size of a NATS message.
const (
	MaxCommand     = 128 << 10
	MaxEnvironment = 64 << 10 // names and values together
	MaxLabels      = 4 << 10  // likewise
	// MaxOutputs is the most that a command may write to $HODEI_OUTPUT.
	MaxOutputs = 64 << 10
)

// Check returns an error for a field that exceeds its limit.
func (s Spec) Check() error {
	if err := s.Command.Check(); err != nil {
		return err
	}
	if err := within("after", len(s.After), MaxCommand); err != nil {
		return err
	}
	if err := CheckEnvironment(s.Environment); err != nil {
		return err
	}
	return s.Requirements.Check()
}

// Check returns an error if the command, all arguments together, exceeds
// MaxCommand.
func (c Command) Check() error {
	size := len(c.Shell)
	for _, arg := range c.Args {
		size += len(arg)
	}
	return within("command", size, MaxCommand)
}

// Check returns an error if the labels exceed MaxLabels.
func (r Requirements) Check() error {
	return within("requirements.labels", sizeOf(r.Labels), MaxLabels)
}

// CheckEnvironment returns an error if an environment exceeds MaxEnvironment.
func CheckEnvironment(env map[string]string) error {
	return within("environment", sizeOf(env), MaxEnvironment)
}

// CheckLabels returns an error if a worker's labels exceed MaxLabels.
func CheckLabels(labels map[string]string) error {
	return within("labels", sizeOf(labels), MaxLabels)
}

// Size is about how many bytes a spec takes on the wire.
func (s Spec) Size() int {
	size := len(s.Command.Shell) + len(s.After) + sizeOf(s.Environment) + sizeOf(s.Requirements.Labels)
	for _, arg := range s.Command.Args {
		size += len(arg) + 3
	}
	return size
}

// Size is about how many bytes an outcome takes on the wire.
func (o Outcome) Size() int { return sizeOf(o.Outputs) }

func sizeOf(pairs map[string]string) (size int) {
	for name, value := range pairs {
		size += len(name) + len(value)
	}
	return size
}

func within(field string, size, limit int) error {
	if size <= limit {
		return nil
	}
	return InvalidField(field, fmt.Sprintf("%d bytes; at most %d KiB are allowed", size, limit>>10))
}
