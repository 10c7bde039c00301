package edge

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// maxHooks bounds the messages to hooks that are received at a time, and with them the memory
// for messages that are not verified yet.
const maxHooks = 64

// hookPatience is the time limit for the body of a message. The systems that send messages are
// fast, and slow senders would block others.
const hookPatience = 5 * time.Second

// receiveHook forwards a message that another system has posted to a hook. The message needs no
// token, because the orchestrator verifies its signature. Invalid signatures count like unknown
// tokens of the address.
func (e *Edge) receiveHook(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := noParameters(r); err != nil {
		refuse(w, r, err)
		return
	}
	from := address(r)
	if e.callers.tooMany(from) {
		refuse(w, r, hodei.Errorf(hodei.Rejected, "Too many requests of this address were not valid: try again in a few seconds"))
		return
	}
	select {
	case e.receiving <- struct{}{}:
		defer func() { <-e.receiving }()
	case <-r.Context().Done():
		return
	}
	req := schemas.ReceiveHookRequest{Headers: schemas.HeadersOfHook(r.Header.Get)}
	id := chi.URLParam(r, "id")
	if req.ID.UnmarshalText([]byte(id)) != nil {
		e.callers.fail(from)
		refuse(w, r, hodei.Missing("hook", id))
		return
	}
	var err error
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(min(hookPatience, e.cfg.Patience))) // not every connection has one
	if req.Data, err = readBody(w, r, false); err != nil {
		e.callers.fail(from)
		refuse(w, r, err)
		return
	}
	made, err := rpc.Call(r.Context(), e.cfg.NATS, schemas.ReceiveHook, req)
	if err != nil {
		if errors.Is(err, hodei.Unauthenticated) || errors.Is(err, hodei.NotFound) {
			e.callers.fail(from)
		}
		refuse(w, r, err)
		return
	}
	body, err := hodei.JSON(made)
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, statusOf(made), body)
}

// statusOf returns 201 if the delivery has a run, 202 if its run will be created or waits for an
// approval, and 200 if it starts no run, so the sender does not repeat it.
func statusOf(d hodei.Delivery) int {
	switch d.Status {
	case hodei.DeliveryStarted:
		return http.StatusCreated
	case hodei.DeliveryPending, hodei.DeliveryBlocked:
		return http.StatusAccepted
	}
	return http.StatusOK
}
