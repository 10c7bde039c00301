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

// maxHooks bounds the messages to hooks that are received at a time, and so the memory of
// what nobody has verified yet.
const maxHooks = 64

// hookPatience is how long the body of one may take. The systems that send them are fast, and
// who is slow would keep others out.
const hookPatience = 5 * time.Second

// receiveHook passes on what another system has posted to a hook. It needs no token: the
// orchestrator believes it if its signature is valid. An address whose signatures are not is
// slowed down as one whose tokens are not.
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

// statusOf is 201 with a run, 202 for a delivery whose run is created next or waits for an
// approval, and 200 for one that starts nothing, which the sender must not send again.
func statusOf(d hodei.Delivery) int {
	switch d.Status {
	case hodei.DeliveryStarted:
		return http.StatusCreated
	case hodei.DeliveryPending, hodei.DeliveryBlocked:
		return http.StatusAccepted
	}
	return http.StatusOK
}
