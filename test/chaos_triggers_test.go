//go:build linux

package test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// triggers are what starts runs by itself while everything is broken: a hook, whose events
// are sent until they are accepted, and a schedule; and the receiver of their notifications.
type triggers struct {
	*arena
	hook, schedule string
	receiver       *httptest.Server

	mu       sync.Mutex
	accepted map[string]string // the id of the delivery, by that of the sender
	received map[string]int    // how often each notification came
}

// makeTriggers applies the pipeline before the faults begin. Its runs execute nothing.
func (w *arena) makeTriggers() *triggers {
	g := &triggers{arena: w, accepted: map[string]string{}, received: map[string]int{}}
	g.receiver = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.received[r.Header.Get("webhook-id")]++
	}))
	w.t.Cleanup(g.receiver.Close)
	status, made := call(w.t, "PUT", w.edges[0]+"/secrets/HOOK_KEY", `{"value":"`+hookKey+`"}`)
	require.Equal(w.t, 200, status, made)
	status, made = call(w.t, "PUT", w.edges[0]+"/pipelines/triggered", `{"jobs":{"a":{"command":"true","if":{"run.trigger":"manual"}}},
		"hooks":[{"kind":"generic","secret":"HOOK_KEY"}],"schedules":[{"every":"1s","overlap":"allow","catch_up":"all"}],
		"notify":[{"events":["started"],"webhook":"`+g.receiver.URL+`"}]}`)
	require.Equal(w.t, 201, status, made)
	_, list := call(w.t, "GET", w.edges[0]+"/hooks", "")
	g.hook = list["items"].([]any)[0].(object)["url"].(string)
	_, list = call(w.t, "GET", w.edges[0]+"/schedules", "")
	g.schedule = list["items"].([]any)[0].(object)["id"].(string)
	return g
}

// deliver sends events until ctx is done. Each is sent again, to any edge, until it is
// accepted.
func (g *triggers) deliver(ctx context.Context, r *rand.Rand, name string) {
	for n := 1; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("event-%s-%d", name, n)
		for g.ctx.Err() == nil {
			at := strconv.FormatInt(time.Now().Unix(), 10)
			sum := base64.StdEncoding.EncodeToString(hookSum(hookKey, id+"."+at+".{}"))
			status, d, err := g.try("POST", g.edges[r.IntN(len(g.edges))]+g.hook, "{}", http.Header{
				"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {"v1," + sum},
			})
			if err == nil && status < 300 {
				g.mu.Lock()
				g.accepted[id], _ = d["id"].(string)
				g.mu.Unlock()
				break
			}
			if err == nil && status < 500 && status != 429 {
				g.flaw("", "event %s is answered %d %v", id, status, d)
				break
			}
			pause(g.ctx, time.Duration(100+r.IntN(400))*time.Millisecond)
		}
		pause(ctx, time.Duration(r.IntN(1200))*time.Millisecond)
	}
}

// rest ends the schedule, and waits until what was accepted is done. An attempt that an
// instance took with it is due again at once, where a user would wait for its lease.
func (g *triggers) rest() {
	eventually(g.t, "the schedule is paused", time.Minute, func() bool {
		status, _, err := g.try("POST", g.edges[0]+"/schedules/"+g.schedule+"/pause", "", nil)
		return err == nil && status == 200
	})
	until := time.Now().Add(2 * time.Minute)
	for open := 1; open > 0; pause(g.ctx, 200*time.Millisecond) {
		_, err := g.db.Exec(g.ctx, `UPDATE notifications SET due_at = now() WHERE status = 'PENDING' AND attempted_at < now() - interval '12 seconds'`)
		require.NoError(g.t, err)
		require.NoError(g.t, g.db.QueryRow(g.ctx, `SELECT (SELECT count(*) FROM hook_deliveries WHERE status = 'PENDING')
			+ (SELECT count(*) FROM notifications WHERE status = 'PENDING')`).Scan(&open))
		if time.Now().After(until) {
			g.flaw("", "%d deliveries and notifications are still PENDING", open)
			return
		}
	}
}

// judge: each accepted event has exactly one run, each planned time one run or a reason, and
// the start of each of these runs was received.
func (g *triggers) judge(check checkFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	deliveries, runs := map[string]string{}, map[string]int{}
	g.rows(`SELECT sender_id, 'dlv_' || id, status, coalesce(reason, '') FROM hook_deliveries`, func(cell []string) {
		deliveries[cell[0]] = cell[1]
		check("accepted events start", "", cell[2] == "STARTED", "the event %s is %s %s", cell[0], cell[2], cell[3])
	})
	g.rows(`SELECT trigger->>'delivery_id', count(*)::text FROM runs WHERE trigger ? 'delivery_id' GROUP BY 1`, func(cell []string) {
		runs[cell[0]], _ = strconv.Atoi(cell[1])
	})
	for id, delivery := range g.accepted {
		check("accepted events recorded", "", deliveries[id] == delivery, "the event %s was accepted as %s and is recorded as %q", id, delivery, deliveries[id])
	}
	for id, delivery := range deliveries {
		check("one run an event", "", runs[delivery] == 1, "the event %s has %d runs", id, runs[delivery])
	}
	g.rows(`SELECT f.planned_at::text, f.status, coalesce(f.reason, ''), count(r.id)::text,
			coalesce(extract(epoch FROM f.planned_at - lag(f.planned_at) OVER (ORDER BY f.planned_at))::int - lag(f.count) OVER (ORDER BY f.planned_at), 0)::text
		FROM schedule_fires f LEFT JOIN runs r ON r.schedule_id = f.schedule_id AND (r.trigger->>'scheduled_at')::timestamptz = f.planned_at
		GROUP BY f.schedule_id, f.planned_at, f.status, f.reason, f.count`, func(cell []string) {
		check("one run a planned time", "", cell[1] == "STARTED" && cell[3] == "1" || cell[1] == "SKIPPED" && cell[3] == "0" && cell[2] != "",
			"the planned time %s is %s %s and has %s runs", cell[0], cell[1], cell[2], cell[3])
		check("no planned time is left out", "", cell[4] == "0", "%s planned times before %s are missing", cell[4], cell[0])
	})
	g.rows(`SELECT r.id::text, coalesce('note_' || n.id, ''), coalesce(n.status, 'not recorded') FROM runs r JOIN pipelines p ON p.id = r.pipeline_id
		LEFT JOIN notifications n ON n.run_id = r.id WHERE p.slug = 'triggered'`, func(cell []string) {
		check("notifications delivered", "", cell[2] == "DELIVERED", "the notification about run %s is %s", cell[0], cell[2])
		check("notifications received", "", g.received[cell[1]] > 0, "the notification %s about run %s was not received", cell[1], cell[0])
	})
}

// rows reads the record.
func (g *triggers) rows(sql string, each func(cell []string)) {
	rows, err := g.db.Query(g.ctx, sql)
	require.NoError(g.t, err)
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		require.NoError(g.t, err)
		cell := make([]string, len(values))
		for i, v := range values {
			cell[i], _ = v.(string)
		}
		each(cell)
	}
	require.NoError(g.t, rows.Err())
}
