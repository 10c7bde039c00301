package access

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// sweepEvery is how often the connections to NATS are compared with the record, besides
	// after each revocation.
	sweepEvery = 10 * time.Second
	// sweepPage is how many connections one answer of a server has.
	sweepPage = 1024
	// listWithin is how long a server may take to list its connections, silentAfter how long
	// after an answer another server may still send one.
	listWithin  = 5 * time.Second
	silentAfter = 300 * time.Millisecond
)

// keepOut closes connections to NATS whose token is no longer valid: at once after a revocation,
// and regularly, because the announcement may be lost or arrive before a new connection.
func (s *Service) keepOut(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	sub, err := rpc.OnSignalTo(s.nc, schemas.AccessSubject, changed)
	if err != nil {
		return fmt.Errorf("follow revocations: %w", err)
	}
	defer sub.Unsubscribe()
	for tick := time.NewTicker(sweepEvery); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-changed:
		case <-tick.C:
		}
		if err := rpc.Try(s.log, "sweep of connections", func() error { return s.sweep(ctx) }); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "connections of revoked tokens not ended, next try soon", "err", err)
		}
	}
}

// connection is one to a server of NATS.
type connection struct {
	server string
	id     uint64
	user   string
}

// sweep ends the connections of people whose token is not valid, and those of revoked workers.
func (s *Service) sweep(ctx context.Context) error {
	return errors.Join(s.sweepPeople(ctx), s.sweepWorkers(ctx))
}

func (s *Service) sweepPeople(ctx context.Context) error {
	of, err := connected[hodei.TokenID](ctx, s, schemas.PeopleAccount)
	if err != nil || len(of) == 0 {
		return err
	}
	valid, err := s.db.ValidTokens(ctx, slices.Collect(maps.Keys(of)))
	if err != nil {
		return err
	}
	for _, id := range valid {
		delete(of, id)
	}
	return disconnect(ctx, s, of)
}

// sweepWorkers closes the connections of revoked workers. Workers that are users of nats.conf have
// no key in Postgres and are ignored.
func (s *Service) sweepWorkers(ctx context.Context) error {
	of, err := connected[hodei.WorkerID](ctx, s, schemas.ProgramsAccount)
	if err != nil || len(of) == 0 {
		return err
	}
	revoked, err := s.db.RevokedWorkers(ctx, slices.Collect(maps.Keys(of)))
	if err != nil {
		return err
	}
	maps.DeleteFunc(of, func(id hodei.WorkerID, _ []connection) bool { return !slices.Contains(revoked, id) })
	return disconnect(ctx, s, of)
}

// connected returns the connections of an account by the id at the beginning of the user's name,
// where the callout puts it. Connections with other names are left out.
func connected[ID comparable, P interface {
	*ID
	encoding.TextUnmarshaler
}](ctx context.Context, s *Service, account string) (map[ID][]connection, error) {
	list, err := s.connections(ctx, account)
	of := map[ID][]connection{}
	for _, c := range list {
		var id ID
		name, _, _ := strings.Cut(c.user, ".")
		if P(&id).UnmarshalText([]byte(name)) == nil {
			of[id] = append(of[id], c)
		}
	}
	return of, err
}

// disconnect ends connections.
func disconnect[ID interface {
	comparable
	fmt.Stringer
}](ctx context.Context, s *Service, of map[ID][]connection) error {
	for id, list := range of {
		for _, c := range list {
			if err := s.disconnect(ctx, c); err != nil {
				return err
			}
			s.log.InfoContext(ctx, "connection to NATS ended, because it is revoked or has expired", "of", id)
		}
	}
	return nil
}

// connections lists those of an account, on all servers.
func (s *Service) connections(ctx context.Context, account string) (all []connection, err error) {
	for offset := 0; ; offset += sweepPage {
		page, more, err := s.connectionsFrom(ctx, account, offset)
		all = append(all, page...)
		if err != nil || !more {
			return all, err
		}
	}
}

// connectionsFrom is one page of each server; more is true if one of them has more.
func (s *Service) connectionsFrom(ctx context.Context, account string, offset int) (page []connection, more bool, err error) {
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, false, fmt.Errorf("list connections: %w", err)
	}
	defer sub.Unsubscribe()
	body, _ := json.Marshal(map[string]any{"acc": account, "auth": true, "limit": sweepPage, "offset": offset}) // always encodes
	if err := s.nc.PublishRequest(schemas.ConnectionsSubject, inbox, body); err != nil {
		return nil, false, fmt.Errorf("list connections: %w", err)
	}
	for wait := listWithin; ; wait = silentAfter {
		ctx, cancel := context.WithTimeout(ctx, wait)
		msg, err := sub.NextMsgWithContext(ctx)
		cancel()
		if err != nil {
			if wait == silentAfter { // every server has answered
				err = nil
			}
			return page, more, err
		}
		var answer struct {
			Server struct {
				ID string `json:"id"`
			} `json:"server"`
			Data struct {
				Total       int `json:"total"`
				Connections []struct {
					ID   uint64 `json:"cid"`
					User string `json:"authorized_user"`
				} `json:"connections"`
			} `json:"data"`
		}
		if err := json.Unmarshal(msg.Data, &answer); err != nil {
			return page, more, fmt.Errorf("list connections: %w", err)
		}
		for _, c := range answer.Data.Connections {
			page = append(page, connection{answer.Server.ID, c.ID, c.User})
		}
		more = more || answer.Data.Total > offset+len(answer.Data.Connections)
	}
}

// disconnect ends one connection.
func (s *Service) disconnect(ctx context.Context, c connection) error {
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	body, _ := json.Marshal(map[string]uint64{"cid": c.id}) // always encodes
	if _, err := s.nc.RequestWithContext(ctx, schemas.DisconnectSubject(c.server), body); err != nil {
		return fmt.Errorf("end a connection: %w", err)
	}
	return nil
}
