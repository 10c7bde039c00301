package schemas

import "github.com/hodei-jobs/hodei"

func examplesOfNotifications(all map[*Op]example) {
	id := mustID[hodei.NotificationID]("note_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3ca2")
	sent := hodei.Notification{
		ID: id, PipelineID: pipelineID, RunID: &runID, Event: hodei.NotifyFailed, Kind: hodei.NotifyWebhook, Target: "https://hooks.example.com/x",
		Status: hodei.NotificationDelivered, Attempts: 1, CreatedAt: noon, AttemptedAt: &noon, CompletedAt: &noon,
	}
	waits, tried := sent, sent
	waits.Status, waits.NextAt, waits.CompletedAt = hodei.NotificationPending, ptr(at("10:30:50")), nil
	waits.Error = ptr("the target answered 503")
	tried.Event, tried.RunID, tried.Status, tried.Attempts = hodei.NotifyTest, nil, hodei.NotificationPending, 0
	tried.NextAt, tried.AttemptedAt, tried.CompletedAt = &noon, nil, nil
	again := waits
	again.Error, again.NextAt = nil, &noon
	show(all, ListNotifications, ListNotificationsRequest{PipelineID: Any(hodei.RefTo(pipelineID))}, page(waits))
	show(all, GetNotification, GetNotificationRequest{ID: id}, sent)
	show(all, RedeliverNotification, RedeliverNotificationRequest{ID: id}, again)
	show(all, TestNotifications, TestNotificationsRequest{ID: hodei.RefTo(pipelineID)}, Notifications{Items: []hodei.Notification{tried}})
}
