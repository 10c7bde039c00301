package client

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// ListNotifications returns a page of notifications, newest first.
func (c *Client) ListNotifications(ctx context.Context, req schemas.ListNotificationsRequest) (schemas.List[hodei.Notification], error) {
	return call(ctx, c, schemas.ListNotifications, req)
}

// GetNotification returns a notification, or NOT_FOUND.
func (c *Client) GetNotification(ctx context.Context, req schemas.GetNotificationRequest) (hodei.Notification, error) {
	return call(ctx, c, schemas.GetNotification, req)
}

// RedeliverNotification delivers a notification again.
func (c *Client) RedeliverNotification(ctx context.Context, req schemas.RedeliverNotificationRequest) (hodei.Notification, error) {
	return call(ctx, c, schemas.RedeliverNotification, req)
}

// TestNotifications sends a test message to each target of a pipeline.
func (c *Client) TestNotifications(ctx context.Context, req schemas.TestNotificationsRequest) (schemas.Notifications, error) {
	return call(ctx, c, schemas.TestNotifications, req)
}
