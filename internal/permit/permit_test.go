package permit_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/schemas"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func sample(t *testing.T) (id hodei.WorkerID) {
	t.Helper()
	require.NoError(t, id.UnmarshalText([]byte("01a2b3c4-d5e6-7f80-9182-a3b4c5d6e7f8")))
	return id
}

// TestGolden shows every change of the permissions in a diff, and that nats-server reads them.
func TestGolden(t *testing.T) {
	var users []permit.User
	for _, name := range permit.Programs {
		users = append(users, permit.ProgramUser(name))
	}
	users = append(users, permit.WorkerUser(sample(t)))
	conf := permit.Conf(users)
	const golden = "testdata/users.conf"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(conf), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), conf, "run: go test ./internal/permit -update")
	for _, line := range strings.Split(conf, "\n") {
		if _, after, found := strings.Cut(line, "password: $"); found {
			name, _, _ := strings.Cut(after, ",")
			t.Setenv(name, "secret")
		}
	}
	opts := &server.Options{}
	require.NoError(t, opts.ProcessConfigString(conf))
	require.Len(t, opts.Users, len(users))
}

// TestAWorkerUsesItsOwnSubjects: each subject of a worker has its id or its name, or is one
// on which all receive the same.
func TestAWorkerUsesItsOwnSubjects(t *testing.T) {
	id := sample(t)
	p := permit.Worker(id)
	shared := []string{schemas.HangUpSubject, schemas.LogsWantedSubject, "$SRV.*", "$SRV.*.worker", "$SRV.*.worker.*", "$JS.API.STREAM.INFO.KV_WORKERS"}
	for _, subject := range append(slices.Clone(p.Publish), p.Subscribe...) {
		require.True(t, strings.Contains(subject, id.String()) || slices.Contains(shared, subject), subject)
	}
	for _, shared := range []string{schemas.HangUpSubject, schemas.LogsWantedSubject} {
		require.NotContains(t, p.Publish, shared)
	}
}

// TestOperationsHaveOneAnswerer: only its service may answer an operation.
func TestOperationsHaveOneAnswerer(t *testing.T) {
	for _, op := range schemas.Operations {
		for _, name := range permit.Programs {
			answers := op.Subject != "" && slices.Contains(permit.Program(name).Subscribe, op.Filter())
			require.Equal(t, op.Subject != "" && op.Service == name, answers, "%s by %s", op.Name, name)
		}
	}
}

// TestPublishes: subjects are matched as nats-server matches them.
func TestPublishes(t *testing.T) {
	token := rapid.SampledFrom([]string{"a", "b", "*", ">"})
	rapid.Check(t, func(t *rapid.T) {
		filter := strings.Join(rapid.SliceOfN(token, 1, 4).Draw(t, "filter"), ".")
		if !server.IsValidSubject(filter) { // > is not the last token
			return
		}
		subject := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 1, 4).Draw(t, "subject"), ".")
		require.Equal(t, server.SubjectMatchesFilter(subject, filter), permit.Permissions{Publish: []string{filter}}.Publishes(subject), "%s by %s", subject, filter)
	})
}
