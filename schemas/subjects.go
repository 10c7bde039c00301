package schemas

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Root is what the subject of every operation starts with.
const Root = "hodei.v1."

// ServicePing is where every instance of every micro service says who it is
// (the micro framework's own subject).
const ServicePing = "$SRV.PING"

// HangUpSubject tells the services that the caller of a request has gone: the
// message is the request's HeaderCall. What the request waits for is not waited for
// any longer; whatever it has done stays done.
const HangUpSubject = Root + "hangup"

// Headers of requests and replies. NATS header keys are case-sensitive.
const (
	HeaderRequestID      = "Hodei-Request-Id"
	HeaderDeadline       = "Hodei-Deadline" // RFC 3339 with nanoseconds; later, the request is not answered
	HeaderStatus         = "Hodei-Status"   // the HTTP status of a reply that chose its own
	HeaderIdempotencyKey = "Hodei-Idempotency-Key"
	HeaderCall           = "Hodei-Call"        // of a request that may wait: the name under which its caller hangs up
	HeaderIncarnation    = "Hodei-Incarnation" // of a log chunk: the process of that worker
	HeaderFirst          = "Hodei-First"       // of a log chunk: the sequence of its first line
	HeaderEvent          = "Hodei-Event"       // of an event: its type
	HeaderLast           = "Hodei-Last"        // of a log chunk: the sequence of its last line
	HeaderEncoding       = "Content-Encoding"  // of a log chunk: zstd if its body is a zstd frame of NDJSON; none if it is NDJSON
)

// The log window. Each message is a chunk of lines of one execution: NDJSON of
// hodei.LogLine, or a zstd frame of it (HeaderEncoding). Only the worker that is
// named in the subject publishes there.
const (
	LogStream   = "EXECUTION_LOGS"
	LogSubjects = "execution.log.*.*"
)

// LogSubject is execution.log.<worker_id>.<execution_id>.
func LogSubject(worker hodei.WorkerID, id hodei.ExecutionID) string {
	return "execution.log." + worker.String() + "." + id.String()
}

// LogOf matches the chunks of an execution, whatever its worker.
func LogOf(id hodei.ExecutionID) string { return "execution.log.*." + id.String() }

// ParseLogSubject returns the worker and the execution that a LogSubject names.
func ParseLogSubject(subject string) (worker hodei.WorkerID, id hodei.ExecutionID, err error) {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 4 {
		return worker, id, fmt.Errorf("subject %.100q: execution.log.<worker_id>.<execution_id> required", subject)
	}
	return worker, id, errors.Join(worker.UnmarshalText([]byte(tokens[2])), id.UnmarshalText([]byte(tokens[3])))
}

// The feed of events, each message one Event, published after the commit that it
// describes.
const (
	EventStream   = "EXECUTION_EVENTS"
	EventSubjects = "execution.event.*.*"
)

// EventSubject is <noun>.event.<type>.<id>, as execution.event.completed.exec_… for an
// event of the type EventCompleted. The type comes before the id so that a subscriber
// can filter by it: execution.event.completed.* has the executions that completed.
func EventSubject(kind string, id fmt.Stringer) string {
	noun, short, _ := strings.Cut(strings.TrimPrefix(kind, eventTypes), ".")
	return noun + ".event." + short + "." + id.String()
}

// EventsOf is execution.event.*.<execution_id>: every event of one execution.
func EventsOf(id hodei.ExecutionID) string { return "execution.event.*." + id.String() }

// LogsWantedSubject has every worker send again the log chunks that it has not
// heard to be stored: whoever stores them has just come. The message is empty.
const LogsWantedSubject = "execution.wanted"

// RetrySubject tells the orchestrators that an execution is to be followed by
// another one. The message is empty: the record says which, and when.
const RetrySubject = "execution.retry"

// QueueFullSubject tells the orchestrators that the scheduler's queue is full: for
// QueueFullFor they refuse what would only be queued. The message is empty, and repeated
// while executions arrive that do not fit.
const QueueFullSubject = "execution.full"

// QueueFullFor is how long one message on QueueFullSubject counts.
const QueueFullFor = time.Second

// RunSubject announces that a run is due: one of its executions has ended, or a person
// has decided about it. The message is empty.
const RunSubject = "run.due"

// WorkersBucket holds one hodei.Availability a worker, under the worker's id,
// written by that worker alone.
const WorkersBucket = "WORKERS"

// WorkersStream is the stream behind the bucket, WorkersSubjects what it holds.
const (
	WorkersStream   = "KV_" + WorkersBucket
	WorkersSubjects = "$KV." + WorkersBucket + ".>"
)

// LeadersBucket holds one key for each lease that one of several instances of a service
// has: the instance's id, written by that instance alone.
const LeadersBucket = "LEADERS"

// LeadersStream is the stream behind the bucket.
const LeadersStream = "KV_" + LeadersBucket

// SchedulerLease is the key in LEADERS of the scheduler that decides.
const SchedulerLease = "scheduler"

// LeaderSubject is what a leader publishes its renewals on, as every write of a key.
func LeaderSubject(key string) string { return "$KV." + LeadersBucket + "." + key }

// Streams are all that kv.Setup makes.
var Streams = []string{LogStream, EventStream, WorkersStream, LeadersStream}

// ProbeStream holds one message that each worker manager writes anew every few
// seconds: while that fails, JetStream stores nothing.
const (
	ProbeStream  = "HODEI_PROBE"
	ProbeSubject = "hodei.probe"
)

// StoredSubject is execution.stored.<worker_id>: where a worker hears which
// log chunks the record has (a Stored message).
func StoredSubject(id hodei.WorkerID) string { return "execution.stored." + id.String() }

// Span is a run of lines of one execution, both ends included.
type Span struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	First       int64             `json:"first"`
	Last        int64             `json:"last"`
}

// Stored tells a worker which of its log chunks are committed to the record,
// so that it may forget them.
type Stored struct {
	Spans []Span `json:"spans"`
	// Refused are chunks that the record does not accept: damaged, or of an
	// execution that does not run on this process of the worker.
	Refused []Span `json:"refused,omitempty"`
}
