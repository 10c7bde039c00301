package schemas

import "slices"

// Channel is a subject on which programs publish what they expect no answer to. Where a
// worker is at one end, the first wildcard is its id.
type Channel struct {
	Subject string
	// From publish there, To subscribe.
	From, To []string
	// Group is the queue group of those in To that share the messages.
	Group string
}

// Services are those that answer operations of people.
var Services = []string{Orchestrator, Scheduler, WorkerManager, Access, Artifacts}

// Channels lists every subject of a message that is not a request. From it and from the
// operations follow the NATS permissions.
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

// Asks reports whether a program asks a service for the operation.
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
