package schemas

import "github.com/hodei-jobs/hodei"

// The operations on notifications. The worker manager sends notifications, because only it
// has the keys of secrets.
var (
	ListNotifications = declare[ListNotificationsRequest, List[hodei.Notification]](Op{
		Name: "notifications.list", Role: hodei.Viewer, Limit: LimitOwn, Service: WorkerManager, Method: "GET", Path: "/notifications",
		Summary:     "List the messages about runs and the state of their delivery, newest first",
		Description: "A notification is kept for 30 days after it was delivered or given up.",
	})
	GetNotification = declare[GetNotificationRequest, hodei.Notification](Op{
		Name: "notifications.get", Role: hodei.Viewer, Limit: "id", Service: WorkerManager, Method: "GET", Path: "/notifications/{id}",
		Summary: "Get a notification", Errors: []hodei.Code{hodei.NotFound},
	})
	RedeliverNotification = declare[RedeliverNotificationRequest, hodei.Notification](Op{
		Name: "notifications.redeliver", Role: hodei.Operator, Limit: "id", Service: WorkerManager, Method: "POST", Path: "/notifications/{id}/redeliver", Status: 202,
		Summary: "Deliver a notification again, or try now", Errors: []hodei.Code{hodei.NotFound},
		Description: "The notification keeps its id and its content, and is sent before newer ones to the same target. It is repeated for another day until it is delivered.",
	})
	TestNotifications = declare[TestNotificationsRequest, Notifications](Op{
		Name: "notifications.test", Role: hodei.Operator, Limit: "id", Service: WorkerManager, Method: "POST", Path: "/pipelines/{id}/notify", Status: 202, Creates: true,
		Summary: "Send a test message to each target of a pipeline", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "A test waits for no other message, and one attempt is made. The notifications in the reply have the ids with which to follow the delivery.",
	})
)

// ListNotificationsRequest asks for a page of notifications.
type ListNotificationsRequest struct {
	// PipelineID selects the notifications of one pipeline, or of several, separated by commas.
	PipelineID OneOf[hodei.PipelineRef] `json:"pipeline_id,omitempty" in:"query" null:"true"`
	// RunID selects the notifications about one run.
	RunID *hodei.RunRef `json:"run_id,omitempty" in:"query"`
	// Status selects notifications in one state, or in one of several, separated by commas.
	Status OneOf[hodei.NotificationStatus] `json:"status,omitempty" in:"query" null:"true"`
	Created
	Page
}

// GetNotificationRequest names a notification.
type GetNotificationRequest struct {
	ID hodei.NotificationID `json:"id" in:"path"`
}

// RedeliverNotificationRequest names the notification to deliver.
type RedeliverNotificationRequest struct {
	ID hodei.NotificationID `json:"id" in:"path"`
}

// TestNotificationsRequest names the pipeline whose targets receive a test message.
type TestNotificationsRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
}

// Notifications are the test messages that were created.
type Notifications struct {
	Items []hodei.Notification `json:"items"`
}
