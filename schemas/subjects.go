package schemas

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Root is the prefix of every operation's subject.
const Root = "hodei.v1."

// ServicePing is the subject on which every instance of every micro service
// identifies itself (defined by the micro framework).
const ServicePing = "$SRV.PING"

// InboxPrefix returns the prefix of the subjects on which a user of NATS receives replies. Each
// user has a separate prefix, so NATS permissions can deny it the replies to others.
func InboxPrefix(user string) string { return "_INBOX." + user }

// The accounts of a NATS with access control: one for Hodei's programs, with JetStream, and one
// for people, which imports the subjects that they may use.
const (
	ProgramsAccount = "HODEI"
	PeopleAccount   = "PEOPLE"
	SystemAccount   = "SYS"
)

// PeoplePrefix precedes the subject of each request that NATS imports from the account of
// people. No program may publish below it, so such a request always comes from that account.
const PeoplePrefix = "people."

// HeaderRequestInfo is the header in which NATS names the user of such a request. Its value is
// JSON with the field user.
const HeaderRequestInfo = "Nats-Request-Info"

// The subjects of NATS that the access service uses: requests to decide who may connect, and
// requests to list and end connections.
const (
	CalloutSubject     = "$SYS.REQ.USER.AUTH"
	CalloutReplies     = "$SYS._INBOX.>"
	HeaderCalloutKey   = "Nats-Server-Xkey"
	ConnectionsSubject = "$SYS.REQ.SERVER.PING.CONNZ"
	disconnectPrefix   = "$SYS.REQ.SERVER."
	disconnectVerb     = ".KICK"
	DisconnectSubjects = disconnectPrefix + "*" + disconnectVerb
	ImportedReplies    = "_R_.>" // to requests from another account
	ServiceSubjects    = "$SRV.>"
)

// DisconnectSubject returns the subject of requests to a NATS server to end a connection.
func DisconnectSubject(server string) string { return disconnectPrefix + server + disconnectVerb }

// HangUpSubject announces that the caller of a request has disconnected. The
// message is the request's HeaderCall. The service ends the wait of the
// request; its effects stay.
const HangUpSubject = Root + "hangup"

// Headers of requests and replies. NATS header keys are case-sensitive.
const (
	HeaderRequestID      = "Hodei-Request-Id"
	HeaderDeadline       = "Hodei-Deadline" // RFC 3339 with nanoseconds; no answer after this time
	HeaderStatus         = "Hodei-Status"   // the HTTP status of a reply that chose its own
	HeaderIdempotencyKey = "Hodei-Idempotency-Key"
	HeaderCaller         = "Hodei-Caller"      // hodei.Caller as JSON, set by the program where the request entered the system
	HeaderRecorded       = "Hodei-Recorded"    // of a reply: the audit log has the request, written together with its change
	HeaderCall           = "Hodei-Call"        // of a request that may wait: the name under which its caller hangs up
	HeaderIncarnation    = "Hodei-Incarnation" // of a log chunk: the process of that worker
	HeaderFirst          = "Hodei-First"       // of a log chunk: the sequence of its first line
	HeaderLast           = "Hodei-Last"        // of a log chunk: the sequence of its last line
	HeaderAttached       = "Hodei-Attached"    // number of bytes after the JSON in the body of a request or a reply
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
	// RunEventSubjects are those of the RunEvents, in the same stream.
	RunEventSubjects = "run.event.*.*"
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

// LogsWantedSubject makes every worker send the log chunks again that have not
// been acknowledged, because a worker manager has just started. The message is
// empty.
const LogsWantedSubject = "execution.wanted"

// RetrySubject informs the orchestrators that a retry is due or will be. The
// message is empty: the record contains the details.
const RetrySubject = "execution.retry"

// QueueFullSubject informs the orchestrators that the scheduler's queue is full: for
// QueueFullFor they refuse what would only be queued. The message is empty, and repeated
// while executions arrive that do not fit.
const QueueFullSubject = "execution.full"

// QueueFullFor is how long one message on QueueFullSubject counts.
const QueueFullFor = time.Second

// RunSubject announces that a run is due: one of its executions has ended, or a person
// has decided about it. The message is empty.
const RunSubject = "run.due"

// AccessSubject announces that a token or a session is no longer valid: each edge verifies
// all of them again. The message is empty.
const AccessSubject = "access.changed"

// DelayedSubject announces an execution that must not start before a time. The message is
// empty.
const DelayedSubject = "execution.delayed"

// ScheduleSubject announces that a schedule is due, or will be. The message is empty.
const ScheduleSubject = "schedule.due"

// DeliverySubject announces that a hook has accepted an event. The message is empty.
const DeliverySubject = "delivery.due"

// NotificationSubject announces that a notification is due, or will be. The message is empty.
const NotificationSubject = "notification.due"

// ArtifactSubject announces that an artifact expires, or that content is to be deleted. The
// message is empty.
const ArtifactSubject = "artifact.due"

// WorkersBucket contains one hodei.Availability per worker, with the worker's
// id as the key, written only by that worker.
const WorkersBucket = "WORKERS"

// WorkersStream is the stream of the bucket, WorkersSubjects its subjects.
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

// Streams are all streams that kv.Setup creates.
var Streams = []string{LogStream, EventStream, WorkersStream, LeadersStream}

// ProbeStream contains one message, which each worker manager rewrites every
// few seconds. If the write fails, JetStream stores nothing.
const (
	ProbeStream  = "HODEI_PROBE"
	ProbeSubject = "hodei.probe"
)

// StoredSubject is execution.stored.<worker_id>: the acknowledgements of the
// worker's log chunks (Stored messages).
func StoredSubject(id hodei.WorkerID) string { return storedPrefix + id.String() }

const storedPrefix = "execution.stored."

// Span is a range of lines of one execution, both ends included.
type Span struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	First       int64             `json:"first"`
	Last        int64             `json:"last"`
}

// Stored acknowledges log chunks of a worker that are committed, so that it may
// delete them.
type Stored struct {
	Spans []Span `json:"spans"`
	// Refused are chunks that the record does not accept: damaged, or of an
	// execution that does not run on this process of the worker.
	Refused []Span `json:"refused,omitempty"`
}
