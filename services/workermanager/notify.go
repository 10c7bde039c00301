package workermanager

import (
	"context"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/internal/notify"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// sendAtOnce is how many notifications one instance sends at a time. Half of them may be
	// for targets that have failed, so that targets that hang slow down nothing else.
	sendAtOnce = 32
	// sendLease is how long an instance has for one attempt; later, another one repeats it.
	sendLease = time.Minute
	// sendStop is how long an attempt may go on when the instance stops.
	sendStop = 2 * time.Second
	// sendAgain is the pause after the first failure. It doubles up to sendAgainMost.
	sendAgain, sendAgainMost = 5 * time.Second, time.Hour
)

// notifications are those that are due.
func (m *Manager) notifications() due.Rows {
	return due.Rows{Name: "notifications", Subject: schemas.NotificationSubject, Next: m.db.NextNotification, Take: m.sendDue}
}

// sendDue begins to send what is due, as far as there is room.
func (m *Manager) sendDue(ctx context.Context) (more bool, err error) {
	select { // wait for room
	case m.room <- struct{}{}:
		<-m.room
	case <-ctx.Done():
		return false, ctx.Err()
	}
	begun := 0
	for _, again := range []bool{false, true} {
		free := cap(m.room) - len(m.room)
		if again {
			free -= sendAtOnce / 2
		}
		if free <= 0 {
			continue
		}
		taken, err := m.db.TakeNotifications(ctx, free, again, sendLease)
		if err != nil {
			return false, err
		}
		for _, s := range taken {
			m.room <- struct{}{}
			m.sending.Go(func() {
				defer func() { <-m.room }()
				m.send(ctx, s)
			})
		}
		begun += len(taken)
	}
	if begun == 0 {
		return false, hodei.NotFound
	}
	return true, nil
}

// send makes one attempt, and has the next notification of the target be sent. A panic in
// it is contained; the attempt is repeated after its lease.
func (m *Manager) send(ctx context.Context, s postgres.Sending) {
	_ = rpc.Try(m.log, "notification", func() error {
		trying, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(ctx, func() { time.AfterFunc(sendStop, cancel) })()
		err := m.attempt(trying, s)
		ctx := context.WithoutCancel(ctx)
		var failed *string
		var again *time.Time
		if err != nil {
			failed = new(err.Error())
			if next := s.Now.Add(pauseAfter(s.Attempts)); !errors.Is(err, notify.ErrFinal) && s.Now.Before(s.ExpiresAt) {
				if next.After(s.ExpiresAt) { // the last attempt
					next = s.ExpiresAt
				}
				again = &next
			}
		}
		outcome := "delivered"
		switch {
		case again != nil:
			outcome = "retried"
		case failed != nil:
			outcome = "failed"
			if s.Event == hodei.NotifyTest { // the user sees it
				break
			}
			m.log.WarnContext(ctx, "notification given up", "notification_id", s.ID, "kind", s.Kind, "attempts", s.Attempts, "err", err)
		}
		if err := m.db.SettleNotification(ctx, s, failed, again); err != nil {
			m.log.WarnContext(ctx, "outcome of a notification not recorded", "notification_id", s.ID, "err", err)
			return nil
		}
		notify.Count(s.Kind, outcome)
		_ = m.nc.Publish(schemas.NotificationSubject, nil)
		return nil
	})
}

// attempt sends the notification with the key that its secret has now.
func (m *Manager) attempt(ctx context.Context, s postgres.Sending) error {
	msg := notify.Message{
		ID: s.ID, Event: s.Event, Kind: s.Kind, Address: s.Address, CreatedAt: s.CreatedAt, Now: s.Now, Notice: s.Notice,
	}
	msg.URL = notify.LinkOf(m.cfg.PublicURL, s.RunID)
	if s.Secret != "" {
		found, err := m.db.FindSecret(ctx, s.PipelineID, s.Secret)
		if err != nil && !errors.Is(err, hodei.NotFound) {
			return errors.New("the secret could not be read")
		}
		var sealed []postgres.Sealed
		if err == nil {
			sealed = append(sealed, found)
		}
		values, err := m.openAll([]string{s.Secret}, sealed)
		if err != nil {
			return err
		}
		msg.Key = []byte(values[s.Secret])
	}
	return m.sender.Send(ctx, msg)
}

// pauseAfter is the pause after so many failed attempts.
func pauseAfter(attempts int) time.Duration {
	return min(sendAgain<<min(attempts-1, 20), sendAgainMost)
}

func (m *Manager) listNotifications(ctx context.Context, req schemas.ListNotificationsRequest) (schemas.List[hodei.Notification], error) {
	none := schemas.List[hodei.Notification]{}
	states, err := schemas.States("status", req.Status, hodei.NotificationTransitions)
	if err != nil {
		return none, err
	}
	f := postgres.NotificationFilter{States: states, Created: postgres.Between{From: req.CreatedAfter, To: req.CreatedBefore}}
	for _, ref := range req.PipelineID {
		id, err := m.db.PipelineID(ctx, ref)
		if err != nil {
			return none, err
		}
		f.PipelineIDs = append(f.PipelineIDs, id)
	}
	if req.RunID != nil {
		id, err := m.db.RunID(ctx, *req.RunID)
		if err != nil {
			return none, err
		}
		f.RunIDs = []hodei.RunID{id}
	}
	items, cursor, err := m.db.ListNotifications(ctx, f, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Notification]{Items: items, NextCursor: cursor}, err
}

func (m *Manager) getNotification(ctx context.Context, req schemas.GetNotificationRequest) (hodei.Notification, error) {
	return m.db.GetNotification(ctx, req.ID)
}

func (m *Manager) redeliverNotification(ctx context.Context, req schemas.RedeliverNotificationRequest) (hodei.Notification, error) {
	n, err := m.db.Redeliver(ctx, req.ID)
	if err == nil {
		_ = m.nc.Publish(schemas.NotificationSubject, nil)
	}
	return n, err
}

// testNotifications sends a message to each target of a pipeline.
func (m *Manager) testNotifications(ctx context.Context, req schemas.TestNotificationsRequest) (schemas.Notifications, error) {
	id, err := m.db.PipelineID(ctx, req.ID)
	if err != nil {
		return schemas.Notifications{}, err
	}
	of, err := m.db.Recorded(ctx, id)
	if err != nil {
		return schemas.Notifications{}, err
	}
	notice := hodei.Notice{Pipeline: id.String()}
	if of.Slug != nil {
		notice.Pipeline = *of.Slug
	}
	var targets []hodei.NotifyTarget
	for _, spec := range of.Settings.Notified() {
		targets = append(targets, spec.Targets()...)
	}
	if len(targets) == 0 {
		return schemas.Notifications{}, hodei.Errorf(hodei.Conflict, "The pipeline has no targets: add notify to its definition")
	}
	items, err := m.db.TestNotifications(ctx, id, notice, targets)
	if err == nil {
		_ = m.nc.Publish(schemas.NotificationSubject, nil)
	}
	return schemas.Notifications{Items: items}, err
}

// notificationKept is how long a notification is kept after its end.
const notificationKept = 30 * 24 * time.Hour

func (m *Manager) deleteOldNotifications(ctx context.Context) error {
	total := 0
	for ctx.Err() == nil {
		deleted, err := m.db.DeleteOldNotifications(ctx, notificationKept, retainBatch)
		if err != nil {
			return err
		}
		if total += deleted; deleted < retainBatch {
			break
		}
	}
	if total > 0 {
		m.log.InfoContext(ctx, "old notifications deleted", "notifications", total)
	}
	return nil
}
