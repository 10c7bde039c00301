package orchestrator

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestLegsThatPostgresRefusesFailTheirJob alone: an output may list values with NUL, or values
// too long for an index.
func TestLegsThatPostgresRefusesFailTheirJob(t *testing.T) {
	t.Parallel()
	b := start(t)
	legs := needing("legs", "list")
	legs.Matrix = &hodei.Matrix{From: "needs.list.outputs.legs"}
	p := b.pipeline(needing("list"), legs)
	var noise strings.Builder // does not compress
	for noise.Len() < 8<<10 {
		noise.WriteString(rand.Text())
	}
	simple := b.pipeline(needing("a"))
	for _, output := range []string{`["x\u0000"]`, `["` + noise.String() + `"]`, `[{"a\u0000": 1}]`} {
		r, other := b.execute(p), b.execute(simple)
		b.finishAsleep(r.ID, "list", hodei.Outcome{Status: hodei.Completed, Outputs: map[string]string{"legs": output}})
		b.finish(other.ID, "a", completed)
		b.waitRun(other.ID, hodei.RunCompleted)
		r = b.waitRun(r.ID, hodei.RunFailed)
		require.Equal(t, hodei.ReasonMatrix, *r.Jobs[1].Reason)
	}
}

// TestARunThatCannotAdvanceHoldsUpNoOther in its transaction: it is put off, and goes on when
// nothing stops it any more.
func TestARunThatCannotAdvanceHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	b := start(t)
	p := b.pipeline(needing("a"), needing("z", "a"))
	conn := b.record()
	_, err := conn.Exec(t.Context(), `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no step'; END $$`)
	require.NoError(t, err)
	stuck := b.execute(p)
	_, err = conn.Exec(t.Context(), `CREATE TRIGGER refuse BEFORE UPDATE ON runs FOR EACH ROW
		WHEN (NEW.revision > OLD.revision AND NEW.number = 1) EXECUTE FUNCTION refuse()`)
	require.NoError(t, err)
	others := []hodei.Run{b.execute(p), b.execute(p)}
	for _, r := range append(others, stuck) {
		b.finishAsleep(r.ID, "a", completed)
	}
	require.NoError(t, b.nc.Publish(schemas.RunSubject, nil))
	for _, r := range others {
		b.finish(r.ID, "z", completed)
		b.waitRun(r.ID, hodei.RunCompleted)
	}
	next, err := b.db.NextRun(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Greater(t, next, 30*time.Second, "it is not due before its pause is over")

	_, err = conn.Exec(t.Context(), `DROP TRIGGER refuse ON runs`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE runs SET put_off_until = now(), due_at = now() WHERE put_off_until IS NOT NULL`)
	require.NoError(t, err)
	b.finish(stuck.ID, "z", completed)
	b.waitRun(stuck.ID, hodei.RunCompleted)
}
