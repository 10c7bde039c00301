package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// BeginDevice begins the sign-in of a program at the server: a person who opens Page in the
// console approves UserCode there, and then RedeemDevice returns a token with their rights.
// The name is that of the machine.
func BeginDevice(ctx context.Context, server, name string) (schemas.BegunDevice, error) {
	return postSession[schemas.BegunDevice](ctx, server, "/session/device", schemas.BeginDeviceRequest{Name: name})
}

// RedeemDevice returns the token of a sign-in that was approved, once. Until then it is a
// CONFLICT; ask again after the interval.
func RedeemDevice(ctx context.Context, server string, req schemas.RedeemRequest) (schemas.CreatedToken, error) {
	return postSession[schemas.CreatedToken](ctx, server, "/session/device/token", req)
}

// postSession makes a request that needs no token.
func postSession[Rep any](ctx context.Context, server, path string, req any) (rep Rep, err error) {
	t := HTTP(server).via.(*overHTTP)
	body, err := hodei.JSON(req)
	if err != nil {
		return rep, fmt.Errorf("encode %s: %w", path, err)
	}
	r, err := t.newRequest(ctx, "POST", t.base+path, bytes.NewReader(body))
	if err != nil {
		return rep, fmt.Errorf("request %s: %w", path, err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := t.do(r)
	if err != nil {
		return rep, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, rpc.MaxBody))
	if err == nil {
		err = json.Unmarshal(answer, &rep)
	}
	return rep, err
}
