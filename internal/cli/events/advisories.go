package events

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/jsm.go/api"
	"github.com/nats-io/jsm.go/api/jetstream/advisory"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

// onlyAdvisories is a value of --only, beside those of the API.
const onlyAdvisories = "advisories"

// advisories prints the advisories of JetStream about the streams of Hodei, until ctx is done.
func (p *eventPrinter) advisories(ctx context.Context) error {
	arrived := make(chan *nats.Msg, 256)
	sub, err := p.NATS.ChanSubscribe(api.JSAdvisoryPrefix+".>", arrived)
	if err != nil {
		return fmt.Errorf("subscribe to the advisories of JetStream: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case msg := <-arrived:
			if err := p.advisory(msg.Data); err != nil {
				return err
			}
		}
	}
}

// advisory prints one advisory, if it concerns Hodei.
func (p *eventPrinter) advisory(body []byte) error {
	_, event, err := jsm.ParseEvent(body)
	if err != nil {
		return nil // of a kind that this version of jsm.go does not know
	}
	at, about, text := described(event)
	if text == "" {
		return nil
	}
	if p.Format == "json" {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, err := fmt.Fprintf(render.ForTerminal(p.Out, nil), "%s\n", bytes.TrimSpace(body))
		return err
	}
	return p.line(at, about, text)
}

// described is when an advisory was made, the stream or the server that it is about, and its
// text. The text is "" for an advisory about streams of others, and for one about daily
// business, such as the creation of a consumer.
func described(event any) (at time.Time, about, text string) {
	switch a := event.(type) {
	case *advisory.JSStreamActionAdvisoryV1:
		at, about, text = a.Time, a.Stream, map[advisory.ActionAdvisoryTypeV1]string{
			"create": "stream created", "modify": "stream changed", "delete": "stream deleted",
		}[a.Action]
	case *advisory.JSStreamLeaderElectedV1:
		at, about, text = a.Time, a.Stream, "stream has a new leader: "+a.Leader
	case *advisory.JSStreamQuorumLostV1:
		at, about, text = a.Time, a.Stream, fmt.Sprintf("stream lost its quorum of %d servers", len(a.Replicas))
	case *advisory.JSConsumerQuorumLostV1:
		at, about, text = a.Time, a.Stream, "consumer "+a.Consumer+" lost its quorum"
	case *advisory.JSServerOutOfSpaceAdvisoryV1:
		return a.Time, a.Server, "server is out of disk space"
	case *advisory.JSServerRemovedAdvisoryV1:
		return a.Time, a.Server, "server was removed from the cluster"
	case *advisory.JSAPILimitReachedAdvisoryV1:
		return a.Time, a.Server, fmt.Sprintf("server dropped %d requests to JetStream", a.Dropped)
	}
	if !slices.Contains(schemas.Streams, about) {
		return at, "", ""
	}
	return at, about, text
}
