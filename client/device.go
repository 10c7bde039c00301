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

// BeginDevice begins the sign-in of a program. Once a user has approved UserCode at Page in the
// console, RedeemDevice returns a token with the rights of the user. name is the name of the
// machine.
func BeginDevice(ctx context.Context, server, name string) (schemas.BegunDevice, error) {
	return postSession[schemas.BegunDevice](ctx, server, "/session/device", schemas.BeginDeviceRequest{Name: name})
}

// RedeemDevice returns the token of an approved sign-in, once. Before the approval it returns
// CONFLICT; call it again after the interval.
func RedeemDevice(ctx context.Context, server string, req schemas.RedeemRequest) (schemas.CreatedToken, error) {
	return postSession[schemas.CreatedToken](ctx, server, "/session/device/token", req)
}

// postSession sends a request without a token.
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
