package test

import (
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/permit"
)

// addUsers makes a user of NATS, with the permissions that Hodei derives, for each program and
// for each worker, and returns them as a block of nats.conf. Connections without a key, those
// of the test, may do everything.
func (w *arena) addUsers() string {
	users := []permit.User{{Name: "test", Password: "of no program", Unrestricted: true}}
	for _, name := range permit.Programs {
		users = append(users, permit.ProgramUser(name))
	}
	for range fleetOf {
		id := hodei.WorkerID(uuid.Must(uuid.NewV7()))
		w.workerIDs = append(w.workerIDs, id)
		users = append(users, permit.WorkerUser(id))
	}
	for i := range users[1:] {
		u := &users[1+i]
		pair, err := nkeys.CreateUser()
		require.NoError(w.t, err)
		u.NKey, err = pair.PublicKey()
		require.NoError(w.t, err)
		seed, err := pair.Seed()
		require.NoError(w.t, err)
		require.NoError(w.t, os.WriteFile(w.key(u.Name), seed, 0o600))
	}
	return permit.Conf(users) + "no_auth_user: test\n"
}

// key is the file with the key of a user.
func (w *arena) key(user string) string { return filepath.Join(w.dir, user+".nk") }
