package schemas

import "slices"

// Channel is a subject of messages without a reply. If a worker sends or receives them, the
// first wildcard is the id of the worker.
type Channel struct {
	Subject string
	// From are the programs that publish on the subject, To those that subscribe.
	From, To []string
	// Group is the queue group of the subscribers; "" if each receives every message.
	Group string
}

// Services are the services that answer operations of people.
var Services = []string{Orchestrator, Scheduler, WorkerManager, Access, Artifacts}

// Channels lists every subject of messages that are not requests. The NATS permissions are
// derived from this list and from the operations.
var Channels = []Channel{
	{Subject: HangUpSubject, From: append([]string{Edge}, Services...), To: append([]string{Worker, Edge}, Services...)},
	{Subject: PeoplePrefix + HangUpSubject, To: Services},
	{Subject: LogSubjects, From: []string{Worker}, To: []string{WorkerManager}, Group: WorkerManager},
	{Subject: LogSubjects, To: []string{Edge}},
	{Subject: storedPrefix + "*", From: []string{WorkerManager}, To: []string{Worker}},
	{Subject: LogsWantedSubject, From: []string{WorkerManager}, To: []string{Worker}},
	{Subject: EventSubjects, From: []string{Orchestrator, WorkerManager}, To: []string{Scheduler, Edge}},
	{Subject: RunEventSubjects, From: []string{Orchestrator}},
	{Subject: RetrySubject, From: []string{WorkerManager}, To: []string{Orchestrator}},
	{Subject: DelayedSubject, From: []string{Orchestrator}, To: []string{Orchestrator}},
	{Subject: QueueFullSubject, From: []string{Scheduler}, To: []string{Orchestrator}},
	{Subject: RunSubject, From: []string{Orchestrator, WorkerManager}, To: []string{Orchestrator}},
	{Subject: ScheduleSubject, From: []string{Orchestrator}, To: []string{Orchestrator}},
	{Subject: DeliverySubject, From: []string{Orchestrator}, To: []string{Orchestrator}},
	{Subject: NotificationSubject, From: []string{Orchestrator, WorkerManager}, To: []string{WorkerManager}},
	{Subject: ArtifactSubject, From: []string{Artifacts}, To: []string{Artifacts}},
	{Subject: AccessSubject, From: []string{Access}, To: []string{Access, Edge}},
}

// Asks reports whether a program sends requests for the operation.
func (o *Op) Asks(program string) bool {
	switch program {
	case Worker:
		return o.ByWorker
	case Edge:
		if o.Service != Edge && (o.Method != "" || o.Name == o.Service+".health") {
			return true
		}
	}
	return slices.Contains(o.AskedBy, program)
}
