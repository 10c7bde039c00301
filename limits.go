package hodei

import "fmt"

// The most bytes that a job or an execution may bring. Linux takes no longer
// argument than MaxCommand; the others keep a record far below a message of NATS.
const (
	MaxCommand     = 128 << 10
	MaxEnvironment = 64 << 10 // names and values together
	MaxLabels      = 4 << 10  // likewise
	// MaxOutputs is the most that a command may write to $HODEI_OUTPUT.
	MaxOutputs = 64 << 10
)

// Check fails with the field that is larger than its limit.
func (s Spec) Check() error {
	if err := s.Command.Check(); err != nil {
		return err
	}
	if err := CheckEnvironment(s.Environment); err != nil {
		return err
	}
	return s.Requirements.Check()
}

// Check fails when the command, all arguments together, is longer than
// MaxCommand.
func (c Command) Check() error {
	size := len(c.Shell)
	for _, arg := range c.Args {
		size += len(arg)
	}
	return within("command", size, MaxCommand)
}

// Check fails when the labels take more than MaxLabels.
func (r Requirements) Check() error {
	return within("requirements.labels", sizeOf(r.Labels), MaxLabels)
}

// CheckEnvironment fails when an environment takes more than MaxEnvironment.
func CheckEnvironment(env map[string]string) error {
	return within("environment", sizeOf(env), MaxEnvironment)
}

// CheckLabels fails when a worker's labels take more than MaxLabels.
func CheckLabels(labels map[string]string) error {
	return within("labels", sizeOf(labels), MaxLabels)
}

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
