package edge

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// maxHooks bounds the messages to hooks that are verified at a time.
const maxHooks = 64

// hookPatience is the time limit for the body of a message. The systems that send messages are
// fast, and slow senders would block others.
const hookPatience = 5 * time.Second

// Messages that are not verified yet are bounded by their bytes, in total and of one address. A
// bound of their number would be reached by connections that send one byte each, and legitimate
// events would wait for them: a forge may send hundreds of events at once from one address, whose
// bodies arrive at once. A message counts with its declared size, and at least leastHook, which
// covers its connection. So hundreds of slow senders leave room for others at their address, and
// one address leaves three quarters to the others.
const (
	hookBytes      = 128 << 20
	hookBytesOfOne = hookBytes / 4
	leastHook      = 16 << 10
)

// hookRoom counts the bytes of the messages that are not verified yet.
type hookRoom struct {
	mu  sync.Mutex
	all int
	of  map[netip.Prefix]int
}

// enter reserves room for a message, until leave is called. It returns false if there is none.
func (h *hookRoom) enter(from netip.Prefix, declared int64) (leave func(), ok bool) {
	size := rpc.MaxBody
	if declared >= 0 {
		size = int(min(max(declared, leastHook), rpc.MaxBody))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all+size > hookBytes || h.of[from]+size > hookBytesOfOne {
		return nil, false
	}
	h.all += size
	h.of[from] += size
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all -= size
		if h.of[from] -= size; h.of[from] == 0 {
			delete(h.of, from)
		}
	}, true
}

// receiveHook forwards a message that another system has posted to a hook. The message needs no
// token, because the orchestrator verifies its signature. Invalid signatures count like unknown
// tokens of the address.
func (e *Edge) receiveHook(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := noParameters(r); err != nil {
		return err
	}
	from := address(r)
	if e.callers.tooMany(from) {
		return errHookSender
	}
	leave, ok := e.hooks.enter(network(from), r.ContentLength)
	if !ok {
		return errHooksFull
	}
	defer leave()
	req := schemas.ReceiveHookRequest{Headers: schemas.HeadersOfHook(r.Header.Get)}
	id := chi.URLParam(r, "id")
	if req.ID.UnmarshalText([]byte(id)) != nil {
		e.callers.fail(from)
		return hodei.Missing("hook", id)
	}
	var err error
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(min(hookPatience, e.cfg.Patience))) // not every connection has one
	if req.Data, err = readBody(w, r, false); err != nil {
		e.callers.fail(from)
		return err
	}
	made, err := e.forwardHook(r.Context(), from, req)
	if err != nil {
		return err
	}
	body, err := hodei.JSON(made)
	if err != nil {
		return err
	}
	answer(w, statusOf(made), body)
	return nil
}

var (
	errHookSender = hodei.Errorf(hodei.Rejected, "Too many requests of this address were not valid: try again in a few seconds")
	errHooksFull  = hodei.Errorf(hodei.Unavailable, "Too many messages to hooks are being received")
)

// forwardHook has the orchestrator verify a whole message. It waits for one of the places that
// others have. Those are whole messages that the orchestrator answers soon; slow senders have no place.
func (e *Edge) forwardHook(ctx context.Context, from string, req schemas.ReceiveHookRequest) (hodei.Delivery, error) {
	patience := time.NewTimer(hookPatience)
	defer patience.Stop()
	select {
	case e.receiving <- struct{}{}:
		defer func() { <-e.receiving }()
	case <-patience.C:
		return hodei.Delivery{}, errHooksFull
	case <-ctx.Done():
		return hodei.Delivery{}, hodei.Errorf(hodei.Unavailable, "Request cancelled")
	}
	if e.callers.tooMany(from) { // since this message has arrived
		return hodei.Delivery{}, errHookSender
	}
	made, err := rpc.Call(ctx, e.cfg.NATS, schemas.ReceiveHook, req)
	if errors.Is(err, hodei.Unauthenticated) || errors.Is(err, hodei.NotFound) {
		e.callers.fail(from)
	}
	return made, err
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
