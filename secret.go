package hodei

import (
	"fmt"
	"strings"
	"time"
)

const (
	// MinSecret is the length of the shortest value of a secret, in bytes and without
	// surrounding blanks. A shorter one could not be masked in logs.
	MinSecret = 6
	// MaxSecret bounds a value, MaxSecrets those of one execution together.
	MaxSecret  = 48 << 10
	MaxSecrets = 256 << 10
)

// Secret is a named value that commands can receive. The value itself is in no reply.
type Secret struct {
	Name string `json:"name"`
	// PipelineID is the pipeline whose jobs may use it; null for all pipelines. For its
	// own jobs a secret of a pipeline replaces the general one of that name.
	PipelineID *PipelineID `json:"pipeline_id"`
	// Version increases with every change of the value.
	Version   int       `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// UsedAt is when an execution last received the value, to the minute.
	UsedAt *time.Time `json:"used_at"`
}

// CheckSecret returns an error for a value that is no secret. The error does not repeat it.
func CheckSecret(value string) error {
	trimmed := strings.TrimSpace(value)
	switch breaks := strings.Count(trimmed, "\n") + strings.Count(trimmed, "\r"); {
	case len(trimmed)-breaks < MinSecret:
		return InvalidField("value", "at least 6 characters required: a shorter value cannot be masked in logs")
	case len(value) > MaxSecret:
		return InvalidField("value", "at most 48 KiB allowed")
	case strings.ContainsRune(value, 0):
		return InvalidField("value", "text without NUL required: encode binary data in base64")
	}
	return nil
}

// CheckVariables returns an error for a variable that a user must not set, because Hodei
// does or because a secret has its name.
func (s Spec) CheckVariables() error {
	for name := range s.Environment {
		if IsSet(name) {
			return InvalidField("environment."+name, SetByHodei)
		}
	}
	for i, secret := range s.Secrets {
		name := secret.Variable()
		if IsSet(name) {
			return InvalidField(fmt.Sprintf("secrets.%d", i), name+": "+SetByHodei)
		}
		if _, ok := s.Environment[name]; ok {
			return InvalidField("environment."+name, "the secret "+secret.Name+" is in the environment under this name")
		}
	}
	return nil
}

// SetByHodei is the issue of a variable that IsSet reports.
const SetByHodei = "Hodei sets this variable: another name is required"
