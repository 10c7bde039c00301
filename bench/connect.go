package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	domain "github.com/hodei-jobs/hodei"
)

// connecting measures what a worker with a key of its own waits for its connection, beyond one
// to a NATS without access control.
func (b *bench) connecting(ctx context.Context, plain, guarded *hodei, admin string) (row, error) {
	out := row{Scenario: "auth", What: "connecting a worker that has joined, beyond one without --auth, p50", Unit: "ms", Lower: true, AtLeast: 10, Aim: 5,
		Note: "one after the other; the access service looks up its key and signs its permissions"}
	id := domain.WorkerID(uuid.Must(uuid.NewV7()))
	key, err := nkeys.CreateUser()
	if err != nil {
		return out, err
	}
	public, err := key.PublicKey()
	if err != nil {
		return out, err
	}
	l := load{base: guarded.base, method: "POST", path: "/tokens", body: `{"name":"workers","role":"worker"}`}
	body, err := l.ask(ctx, http.DefaultClient, admin)
	if err != nil {
		return out, err
	}
	var made struct{ Token string }
	if err := json.Unmarshal(body, &made); err != nil {
		return out, err
	}
	worker := func(password string) []nats.Option {
		return []nats.Option{nats.Nkey(public, key.Sign), nats.UserInfo(id.String(), password)}
	}
	if _, err := connects(guarded.nats, 1, worker(made.Token)...); err != nil { // joins
		return out, err
	}
	var beyond []float64
	for range 2 * b.turns {
		without, err := connects(plain.nats, 100)
		if err != nil {
			return out, err
		}
		with, err := connects(guarded.nats, 100, worker("")...)
		if err != nil {
			return out, err
		}
		beyond = append(beyond, with-without)
	}
	out.Hodei = spreadOf(beyond)
	return out, nil
}

// connects connects n times, and returns the median of the durations in ms.
func connects(url string, n int, opts ...nats.Option) (p50 float64, err error) {
	var times []float64
	for range n {
		began := time.Now()
		nc, err := nats.Connect(url, opts...)
		if err != nil {
			return 0, err
		}
		times = append(times, milliseconds(time.Since(began)))
		nc.Close()
	}
	return quantile(times, 0.5), nil
}
