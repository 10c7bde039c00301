package postgres_test

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// TestATokenOfTheCommandLineEndsWithThatOfItsUser: the token of a user who signed in with a
// provider stays after the session, as long as one that came from it, so that it can be revoked.
func TestATokenOfTheCommandLineEndsWithThatOfItsUser(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	hash := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	signIn := func(name string) hodei.Token {
		user, err := db.CreateToken(ctx, hodei.Token{Name: name, Role: hodei.Developer, Subject: &name, ExpiresAt: new(time.Now().Add(time.Hour))}, hash(name))
		require.NoError(t, err)
		_, err = db.CreateSession(ctx, user.ID, hash("session of "+name), false)
		require.NoError(t, err)
		return user
	}
	redeem := func(by hodei.Token) hodei.Token {
		require.NoError(t, db.CreateDevice(ctx, postgres.Device{UserCode: by.Name, Name: "laptop"}, hash("device of "+by.Name), time.Hour))
		_, err := db.ApproveDevice(ctx, by.Name, by.ID)
		require.NoError(t, err)
		made, err := db.RedeemDevice(ctx, hash("device of "+by.Name), hash("text of "+by.Name))
		require.NoError(t, err)
		return made
	}
	forget := func() {
		_, err := conn.Exec(ctx, `UPDATE tokens SET created_at = created_at - interval '1 hour'`)
		require.NoError(t, err)
		require.NoError(t, db.ForgetSessions(ctx, time.Hour))
	}
	valid := func(all ...hodei.Token) int {
		ids := []hodei.TokenID{}
		for _, token := range all {
			ids = append(ids, token.ID)
		}
		found, err := db.ValidTokens(ctx, ids)
		require.NoError(t, err)
		return len(found)
	}

	ana, ben, eva := signIn("ana"), signIn("ben"), signIn("eva")
	ofAna, ofBen := redeem(ana), redeem(ben)
	for _, user := range []hodei.Token{ana, eva} {
		require.NoError(t, db.DeleteSession(ctx, hash("session of "+user.Name)))
	}
	_, err = conn.Exec(ctx, `UPDATE sessions SET expires_at = now() - interval '1 minute'`) // the session of ben
	require.NoError(t, err)
	forget()
	require.Equal(t, 0, valid(eva), "no other token came from it")
	require.Equal(t, 2, valid(ana, ofAna), "a sign-out ends the session alone")
	require.Equal(t, 2, valid(ben, ofBen), "the end of a session ends it alone")
	_, _, err = db.SessionByHash(ctx, hash("session of ana"))
	require.ErrorIs(t, err, hodei.NotFound)
	require.NoError(t, db.DeleteToken(ctx, ana.ID))
	require.Equal(t, 0, valid(ana, ofAna), "revoking the token of the user revokes what came from it")
	require.NoError(t, db.DeleteToken(ctx, ofBen.ID))
	forget()
	require.Equal(t, 0, valid(ben), "without a session and a token that came from it")
}
