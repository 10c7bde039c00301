package rpc

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestUserNameProvesTheCaller: a name returns its caller, and no other text does.
func TestUserNameProvesTheCaller(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	c := hodei.Caller{Kind: hodei.CallerToken, ID: &hodei.TokenID{1}, Name: "a.b", Role: hodei.Viewer, Pipelines: []hodei.PipelineID{{2}}, From: "10.0.0.1"}
	name, err := UserName(key, c)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(name, c.ID.String()+"."), "operators recognise it")
	got, err := callerNamed(key, name)
	require.NoError(t, err)
	require.Equal(t, c, got)
	for i := range name { // any change
		forged := []byte(name)
		forged[i] ^= 1
		_, err := callerNamed(key, string(forged))
		require.ErrorIs(t, err, hodei.Unauthenticated, "%d", i)
	}
	for _, forged := range []string{"", ".", "..", "root", name[:len(name)-1], name + "x", name[:strings.LastIndexByte(name, '.')]} {
		_, err := callerNamed(key, forged)
		require.Error(t, err, forged)
	}
	_, err = callerNamed([]byte(strings.Repeat("o", 32)), name)
	require.ErrorIs(t, err, hodei.Unauthenticated, "with another key")
}

// TestAHeaderIsParsedWhole: the line that NATS adds is the last one, and not lost.
func TestAHeaderIsParsedWhole(t *testing.T) {
	t.Parallel()
	const added = schemas.HeaderRequestInfo + `: {"start":"2026-11-29T12:20:37Z","host":"127.0.0.1","id":12,"acc":"PEOPLE","user":"u"}` + "\r\n\r\n"
	many := ""
	for range 200 {
		many += "A:b\n"
	}
	for header, whole := range map[string]bool{
		"NATS/1.0\r\n": true, "NATS/1.0\r\nHodei-Request-Id: a\r\nA: b\r\n": true, "NATS/1.0\r\nA: \r\n": true,
		"NATS/1.0\r\nA: b\nNats-Request-Info: {}\n\n\r\n": false, "NATS/1.0\nNats-Request-Info: {}\n\n": false,
		"NATS/1.0\r\nA: b\nNats-Request-Info: {}\r\nA: b": false, "NATS/1.0\r\n" + many + "Nats-Request-Info: {}\n\n": false,
		"NATS/1.0\r\nA: b\nNats-Request-Info: {}\r\nA: b\r": false,
	} {
		wire := header + added
		parsed, err := nats.DecodeHeadersMsg([]byte(wire))
		if err != nil {
			continue // a service does not receive it
		}
		require.Equal(t, whole, wholeHeader(parsed, len(wire)), "%q", header)
	}
}
