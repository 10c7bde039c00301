package client

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// CreateHook creates a hook of a pipeline.
func (c *Client) CreateHook(ctx context.Context, req schemas.CreateHookRequest) (hodei.Hook, error) {
	return call(ctx, c, schemas.CreateHook, req)
}

// GetHook returns a hook, or NOT_FOUND.
func (c *Client) GetHook(ctx context.Context, req schemas.GetHookRequest) (hodei.Hook, error) {
	return call(ctx, c, schemas.GetHook, req)
}

// ListHooks returns a page of hooks, newest first.
func (c *Client) ListHooks(ctx context.Context, req schemas.ListHooksRequest) (schemas.List[hodei.Hook], error) {
	return call(ctx, c, schemas.ListHooks, req)
}

// DeleteHook deletes a hook. Runs that it started continue.
func (c *Client) DeleteHook(ctx context.Context, req schemas.DeleteHookRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteHook, req)
}

// ListDeliveries returns a page of the deliveries of a hook, the latest first.
func (c *Client) ListDeliveries(ctx context.Context, req schemas.ListDeliveriesRequest) (schemas.List[hodei.Delivery], error) {
	return call(ctx, c, schemas.ListDeliveries, req)
}

// Redeliver has a hook receive a delivery again.
func (c *Client) Redeliver(ctx context.Context, req schemas.RedeliverRequest) (hodei.Delivery, error) {
	return call(ctx, c, schemas.Redeliver, req)
}

// RejectDelivery refuses a delivery that is BLOCKED, or returns CONFLICT.
func (c *Client) RejectDelivery(ctx context.Context, req schemas.RejectDeliveryRequest) (hodei.Delivery, error) {
	return call(ctx, c, schemas.RejectDelivery, req)
}

// ApproveDelivery starts the run of a delivery that is BLOCKED, or returns CONFLICT.
func (c *Client) ApproveDelivery(ctx context.Context, req schemas.ApproveDeliveryRequest) (hodei.Delivery, error) {
	return call(ctx, c, schemas.ApproveDelivery, req)
}
