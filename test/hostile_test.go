package test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// hostile is a NATS client that sends what no program of Hodei would: requests,
// events, log chunks, keys and JetStream calls with a valid shape and invalid
// values.
type hostile struct {
	nc         *nats.Conn
	r          *rand.Rand
	schemas    map[string]object
	workers    []string // ids of existing workers
	executions []string // ids of existing executions
	madeUp     []string // ids without a prefix of neither
	// mild lets no message succeed, for a system whose work is judged.
	mild bool
	// patience is how long it waits for an answer.
	patience time.Duration
}

func newHostile(nc *nats.Conn, r *rand.Rand) (*hostile, error) {
	h := &hostile{nc: nc, r: r, schemas: map[string]object{}, patience: 20 * time.Second}
	for _, op := range schemas.Operations {
		body, err := op.RequestDocument()
		if err := h.load(op.RequestSchema(), body, err); err != nil {
			return nil, err
		}
	}
	for name, get := range map[string]func(string) ([]byte, error){
		"event": schemas.JSONSchema, "availability": schemas.JSONSchema, "stored": schemas.InternalSchema,
	} {
		body, err := get(name)
		if err := h.load(name, body, err); err != nil {
			return nil, err
		}
	}
	for range 8 {
		h.madeUp = append(h.madeUp, uuid.Must(uuid.NewV7()).String())
	}
	return h, nil
}

func (h *hostile) load(name string, body []byte, err error) error {
	if err != nil {
		return err
	}
	var doc object
	err = json.Unmarshal(body, &doc)
	h.schemas[name] = doc
	return err
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// attack sends one message. It returns the answer, if any, and the request.
func (h *hostile) attack() (asked string, answer *nats.Msg, err error) {
	switch n := h.r.IntN(100); {
	case n < 70:
		return h.request()
	case n < 80:
		h.event()
	case n < 88:
		h.chunk()
	case n < 95:
		h.key()
	case n < 99 || h.mild:
		h.call()
	default:
		h.stream()
	}
	return "", nil, nil
}

// spared are operations with which any client may stop a worker or take its
// place. They are sent only for workers that do not exist.
var spared = []string{"workers.register", "workers.join", "workers.leave", "workers.drain", "workers.cordon", "workers.terminate", "worker.command"}

// request sends a request of an operation.
func (h *hostile) request() (string, *nats.Msg, error) {
	var asks []*schemas.Op
	for _, op := range schemas.Operations {
		if op.Subject != "" {
			asks = append(asks, op)
		}
	}
	op := pick(h.r, asks...)
	g := *h
	if g.mild || slices.Contains(spared, op.Name) {
		g.workers = nil
	}
	if g.mild {
		g.executions = nil
	}
	msg := nats.NewMsg(op.Subject)
	body := g.value(g.schemas[op.RequestSchema()], g.schemas[op.RequestSchema()], "")
	switch {
	case op.PerWorker:
		msg.Subject += "." + g.id("worker")
	case op.ByWorker:
		msg.Subject += "." + g.sender(body)
	}
	switch {
	case g.mild && (op.Creates || strings.HasPrefix(op.Name, "scheduler.place") || strings.HasPrefix(op.Name, "executions.start") || strings.HasPrefix(op.Name, "schedules.")):
		msg.Data = []byte(pick(g.r, odd...)) // never a valid request
	case g.r.IntN(25) == 0:
		msg.Data = []byte(body[:g.r.IntN(len(body)+1)])
	case g.r.IntN(100) == 0:
		msg.Data = []byte(`{"name":"` + strings.Repeat("x", 3<<20) + `"}`)
	default:
		msg.Data = []byte(body)
	}
	expires := g.headers(msg)
	ctx, cancel := context.WithTimeout(context.Background(), h.patience)
	defer cancel()
	if expires {
		return "", nil, h.nc.PublishMsg(msg)
	}
	answer, err := h.nc.RequestMsgWithContext(ctx, msg)
	return fmt.Sprintf("%s %.600s %v", msg.Subject, msg.Data, msg.Header), answer, err
}

// sender is the worker that a body names, by which the request passes for its own, or
// another one.
func (h *hostile) sender(body string) string {
	var names struct {
		WorkerID string `json:"worker_id"`
		ID       string `json:"id"`
	}
	_ = json.Unmarshal([]byte(body), &names) // what does not fit names no worker
	var id hodei.WorkerID
	if id.UnmarshalText([]byte(cmp.Or(names.WorkerID, names.ID))) != nil || h.r.IntN(3) == 0 {
		return h.id("worker")
	}
	return id.String()
}

// headers adds headers with a meaning for Hodei, micro or JetStream. It reports
// whether the request expires because of them.
func (h *hostile) headers(msg *nats.Msg) (expires bool) {
	if h.r.IntN(3) > 0 {
		return false
	}
	for range 1 + h.r.IntN(3) {
		name := pick(h.r, schemas.HeaderRequestID, schemas.HeaderDeadline, schemas.HeaderStatus, schemas.HeaderIdempotencyKey,
			schemas.HeaderCall, schemas.HeaderIncarnation, schemas.HeaderFirst, schemas.HeaderLast, schemas.HeaderEncoding,
			"Hodei-Typed", "Nats-Service-Error", "Nats-Service-Error-Code", "Nats-Msg-Id", "Nats-TTL", "Nats-Rollup",
			"Nats-Expected-Last-Sequence", "Nats-Marker-Reason", "KV-Operation", "Status", "X")
		value := pick(h.r, "", "1", "0", "-1", "9223372036854775808", "DEL", "PURGE", "all", "sub", "MaxAge", "\x01", "a b",
			strings.Repeat("k", 4000), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "garbage", h.id("exec"))
		msg.Header[name] = append(msg.Header[name], value)
		expires = expires || name == schemas.HeaderDeadline && strings.HasPrefix(value, "0001")
	}
	return expires
}

func (h *hostile) event() {
	msg := nats.NewMsg("execution.event.completed." + h.id("exec"))
	doc := h.schemas["event"]
	msg.Data = []byte(h.value(doc, doc, ""))
	if h.mild || h.r.IntN(2) == 0 {
		g := *h
		g.executions, g.workers = nil, nil
		msg.Subject = "execution.event.completed." + g.id("exec")
		msg.Data = []byte(g.value(doc, doc, ""))
	}
	_ = h.nc.PublishMsg(msg)
}

// chunk publishes lines that no worker wrote.
func (h *hostile) chunk() {
	g := *h
	if g.mild {
		g.executions = nil
	}
	msg := nats.NewMsg("execution.log." + g.id("worker") + "." + g.id("exec"))
	msg.Data = []byte(pick(h.r, "", "\n", "x\n", "{}\n", "\x00\xff\xfe", "\x28\xb5\x2f\xfd"+strings.Repeat("\x00", 30), "\x01{\n", strings.Repeat("\n", 5000)))
	for _, name := range []string{schemas.HeaderFirst, schemas.HeaderLast, schemas.HeaderEncoding, schemas.HeaderIncarnation} {
		if value := pick(h.r, "", "x", "zstd", "-1", "0", "1", "9223372036854775807", "9223372036854775808", "99999999999", "NaN", g.id("worker")); h.r.IntN(4) > 0 {
			msg.Header[name] = []string{value}
		}
	}
	if g.mild { // lines of a missing execution would be stored
		msg.Header[schemas.HeaderFirst] = []string{"x"}
	}
	_ = h.nc.PublishMsg(msg)
}

// key writes to the bucket of the workers.
func (h *hostile) key() {
	g := *h
	doc := g.schemas["availability"]
	if g.mild {
		g.workers = nil
	}
	msg := nats.NewMsg("$KV.WORKERS." + pick(g.r, g.id("worker"), "nonsense", "a.b"))
	msg.Data = []byte(pick(g.r, odd...))
	if !g.mild {
		msg.Data = []byte(g.value(doc, doc, ""))
	}
	switch h.r.IntN(5) {
	case 0:
		msg.Header["KV-Operation"] = []string{pick(h.r, "DEL", "PURGE", "x")}
	case 1:
		g.headers(msg)
	}
	_ = h.nc.PublishMsg(msg)
}

// call publishes messages that make others act.
func (h *hostile) call() {
	subject := pick(h.r, schemas.LogsWantedSubject, schemas.RetrySubject, schemas.HangUpSubject, "$SRV.PING", "$SRV.STATS", "$SRV.INFO.scheduler")
	if h.r.IntN(3) == 0 {
		subject = "execution.stored." + h.id("worker")
	}
	g := *h
	g.executions = nil // a worker deletes acknowledged lines
	body := g.value(g.schemas["stored"], g.schemas["stored"], "")
	for range 1 + h.r.IntN(50) {
		_ = h.nc.PublishRequest(subject, noReply, []byte(body))
	}
}

// stream deletes or purges streams.
func (h *hostile) stream() {
	what := pick(h.r, "DELETE", "PURGE", "MSG.DELETE", "NONSENSE")
	_, _ = h.nc.Request("$JS.API.STREAM."+what+"."+pick(h.r, schemas.Streams...), []byte(pick(h.r, "", "{}", `{"seq":1}`)), 500*time.Millisecond)
}

// id returns the id of a record, mostly one that does not exist.
func (h *hostile) id(prefix string) string {
	there := h.executions
	if prefix == "worker" {
		there = h.workers
	}
	if len(there) > 0 && h.r.IntN(2) == 0 {
		return pick(h.r, there...)
	}
	var u uuid.UUID
	switch h.r.IntN(8) {
	case 0:
	case 1:
		return prefix + "_" + pick(h.r, "00000000-0000-7000-8000-000000000000", "ffffffff-ffff-7000-8000-000000000000") // the first and the last moment
	default:
		return prefix + "_" + pick(h.r, h.madeUp...)
	}
	return prefix + "_" + u.String()
}

var (
	texts   = []string{`""`, `"x"`, `"none"`, `"shell"`, `"\u0000"`, `"\ud800"`, `"-5"`, `"é"`, `"` + strings.Repeat("x", 5000) + `"`}
	times   = []string{`"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"9999-12-31T23:59:59-23:59"`, `"0000-01-01T00:00:00+14:00"`, `"2026-11-28T00:00:00Z"`, `"x"`}
	numbers = []string{`0`, `1`, `-1`, `5`, `11`, `99`, `0.5`, `2147483647`, `2147483648`, `-2147483649`, `4294967296`, `9007199254740993`,
		`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `18446744073709551615`, `1e18`, `1e308`, `-1e308`, `5e-324`, `1e999`}
	// harmless are the commands, because a hostile client may execute any.
	harmless = []string{`"true"`, `"exit 3"`, `["true"]`, `["nonexistent"]`, `[]`, `""`, `[""]`, `null`, `["\u0000"]`}
)

// value returns JSON for a schema of the document, with values at the limits of
// its type and beyond.
func (h *hostile) value(doc object, schema any, name string) string {
	s, ok := schema.(object)
	if !ok || h.r.IntN(30) == 0 {
		return pick(h.r, odd...)
	}
	switch name {
	case "command":
		return pick(h.r, harmless...)
	case "working_dir":
		return pick(h.r, `null`, `"/tmp"`, `"/nonexistent"`, `"x"`, `""`, `"/a\u0000b"`)
	case "wait_seconds": // more than an instant, and this client would wait itself
		return pick(h.r, `0`, `0.01`, `-1`, `61`, `1e308`, `null`)
	}
	if ref, ok := s["$ref"].(string); ok {
		return h.value(doc, doc["$defs"].(object)[strings.TrimPrefix(ref, "#/$defs/")], name)
	}
	if some, ok := s["anyOf"].([]any); ok {
		return h.value(doc, pick(h.r, some...), name)
	}
	if some, ok := s["enum"].([]any); ok {
		body, _ := json.Marshal(pick(h.r, some...))
		return string(body)
	}
	kind, _ := s["type"].(string)
	if some, ok := s["type"].([]any); ok {
		kind = pick(h.r, some...).(string)
	}
	switch kind {
	case "object":
		return h.object(doc, s)
	case "array":
		var items []string
		for range h.r.IntN(4) {
			items = append(items, h.value(doc, s["items"], name))
		}
		return "[" + strings.Join(items, ",") + "]"
	case "string":
		return h.text(s)
	case "integer", "number":
		return pick(h.r, numbers...)
	case "boolean":
		return pick(h.r, "true", "false")
	}
	return "null"
}

func (h *hostile) text(s object) string {
	if s["format"] == "date-time" {
		return pick(h.r, times...)
	}
	if pattern, _ := s["pattern"].(string); strings.HasPrefix(pattern, "^(") {
		prefix, _, _ := strings.Cut(pattern[2:], "_)?")
		return strconv.Quote(h.id(prefix))
	}
	return pick(h.r, texts...)
}

func (h *hostile) object(doc, s object) string {
	props, _ := s["properties"].(object)
	required, _ := s["required"].([]any)
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if odds := 8; slices.Contains(required, any(name)) || h.r.IntN(16) < odds {
			fields = append(fields, strconv.Quote(name)+":"+h.value(doc, props[name], name))
		}
	}
	if more, ok := s["additionalProperties"].(object); ok {
		for range h.r.IntN(3) {
			fields = append(fields, pick(h.r, texts...)+":"+h.value(doc, more, ""))
		}
	}
	if h.r.IntN(20) == 0 {
		fields = append(fields, `"of_a_later_version":1`)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// ids returns the ids in a list of records.
func ids(t testing.TB, url string) (ids []string) {
	t.Helper()
	_, list := call(t, "GET", url, "")
	for _, item := range list["items"].([]any) {
		ids = append(ids, item.(object)["id"].(string))
	}
	require.NotEmpty(t, ids)
	return ids
}

// noReply is the reply subject of messages that await no reply.
const noReply = "nowhere"
