package hodei_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

func TestIDRoundTrip(t *testing.T) {
	t.Run("pipeline", roundTrip[hodei.PipelineID]("pipe_"))
	t.Run("job", roundTrip[hodei.JobID]("job_"))
	t.Run("execution", roundTrip[hodei.ExecutionID]("exec_"))
	t.Run("worker", roundTrip[hodei.WorkerID]("worker_"))
}

func roundTrip[ID interface {
	~[16]byte
	comparable
	String() string
}, P interface {
	*ID
	UnmarshalText([]byte) error
}](prefix string) func(*testing.T) {
	return func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			id := ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
			text := id.String()
			require.Equal(t, prefix+uuid.UUID(id).String(), text)
			for _, form := range []string{text, strings.TrimPrefix(text, prefix), prefix + strings.ToUpper(text[len(prefix):])} {
				var back ID
				require.NoError(t, P(&back).UnmarshalText([]byte(form)))
				require.Equal(t, id, back)
			}
			body, err := json.Marshal(map[string]ID{"id": id})
			require.NoError(t, err)
			var decoded map[string]ID
			require.NoError(t, json.Unmarshal(body, &decoded))
			require.Equal(t, id, decoded["id"])
		})
	}
}

func TestIDRefuses(t *testing.T) {
	const digits = "01936d2e-5f3a-7c41-9b0e-0123456789ab"
	for _, text := range []string{
		"", "exec_", "job_" + digits, "pipe" + digits, "exec_exec_" + digits, "exec_" + digits[1:], digits + "0",
		strings.Replace(digits, "-", "_", 1), strings.Replace(digits, "a", "g", 1), " " + digits, digits + "\n",
		strings.ReplaceAll(digits, "-", "") + "0000", "exec_" + strings.Repeat("x", 36),
	} {
		var id hodei.ExecutionID
		err := id.UnmarshalText([]byte(text))
		require.ErrorContains(t, err, "is no execution id: UUID format required", "%q", text)
		require.True(t, id.IsZero(), "%q", text)
	}
	var id hodei.ExecutionID
	require.Less(t, len(id.UnmarshalText([]byte(strings.Repeat("é", 5000))).Error()), 200, "what is echoed is cut short")
}

func FuzzParseID(f *testing.F) {
	f.Add("exec_01936d2e-5f3a-7c41-9b0e-0123456789ab")
	f.Add("01936D2E-5F3A-7C41-9B0E-0123456789AB")
	f.Add("exec_--")
	f.Fuzz(func(t *testing.T, text string) {
		var id hodei.ExecutionID
		if id.UnmarshalText([]byte(text)) != nil {
			require.True(t, id.IsZero())
			return
		}
		require.Equal(t, strings.ToLower(strings.TrimPrefix(text, "exec_")), strings.TrimPrefix(id.String(), "exec_"))
	})
}

func TestIDDay(t *testing.T) {
	id := hodei.ExecutionID(uuid.MustParse("01936d2e-5f3a-7c41-9b0e-0123456789ab"))
	require.Equal(t, time.UnixMilli(0x01936d2e5f3a).UTC(), id.Time())
	require.Equal(t, time.Date(2024, 11, 27, 0, 0, 0, 0, time.UTC), id.Day())
}
