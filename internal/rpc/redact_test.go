package rpc

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRedacted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                     "",
		"nats://h:4222":                        "nats://h:4222",
		"http://127.0.0.1:8080":                "http://127.0.0.1:8080",
		"nats://app:S3cret@h:4222":             "nats://app:xxxxx@h:4222",
		"nats://TOKEN12345@h":                  "nats://xxxxx@h",
		"app:S3cret@h:4222":                    "app:xxxxx@h:4222",
		"nats://a:p1@h1:4222,nats://b:p2@h2":   "nats://a:xxxxx@h1:4222,nats://b:xxxxx@h2",
		"nats://h1, tls://TOKEN@h2,nats://h3":  "nats://h1, tls://xxxxx@h2,nats://h3",
		"nats://a:p1@h1,b:p2@h2":               "nats://a:xxxxx@h2",
		"nats://app:p@ss/w#rd?@h":              "nats://app:xxxxx@h",
		"postgres://u:S3cret@h/db?sslmode=a":   "postgres://u:xxxxx@h/db?sslmode=a",
		"postgres://h/db?password=S3cret&a=b":  "postgres://h/db?password=xxxxx&a=b",
		"host=h password='S3 \\' cret' user=u": "host=h password=xxxxx user=u",
		"host=h sslpassword = S3cret user=u":   "host=h sslpassword=xxxxx user=u",
	} {
		require.Equal(t, want, Redacted(text), text)
		require.Equal(t, want, Redacted(want), "redacting twice")
	}
}

// secretURL generates the URL of a server with a password or a token,
// percent-encoded or not.
func secretURL(t *rapid.T, i int) string {
	secret := "S3cret" + rapid.StringMatching(`[ -+\--~]{0,12}`).Draw(t, "secret") + "T4il" // any printable character but a comma
	if rapid.Bool().Draw(t, "encoded") {
		secret = url.QueryEscape(secret)
	}
	user := rapid.SampledFrom([]string{"", "app:", ":"}).Draw(t, "user")
	if user == "" {
		secret = strings.ReplaceAll(secret, ":", "") // otherwise it would be a user and a password
	}
	scheme := rapid.SampledFrom([]string{"nats://", "tls://", "ws://", "wss://"}).Draw(t, "scheme")
	return fmt.Sprintf("%s%s%s@h%d:%d", scheme, user, secret, i, rapid.IntRange(1, 65535).Draw(t, "port"))
}

// TestNoSecretIsShown: neither the redacted list of URLs nor the error of a
// failed connection contains a secret, and each server stays recognisable.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []string
		for i := range rapid.IntRange(1, 4).Draw(t, "servers") {
			list = append(list, secretURL(t, i))
		}
		shown := Redacted(strings.Join(list, ","))
		require.NotContains(t, shown, "S3cret")
		require.NotContains(t, shown, "T4il")
		for i := range list {
			require.Contains(t, shown, fmt.Sprintf("@h%d:", i))
		}
	})
}

func TestConnectShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, server := range []string{
		"nats://app:S3cret@127.0.0.1:1", "nats://S3cret@127.0.0.1:1,nats://b:S3cret@127.0.0.1:1",
		"nats://app:S3cret/@127.0.0.1:1", "nats://app:S3cret@127.0.0.1:port", "nats://app:%S3cret@127.0.0.1:1",
	} {
		var log strings.Builder
		_, err := Connect(server, "test", slog.New(slog.NewTextHandler(io.Writer(&log), nil)), nats.Timeout(time.Second))
		require.Error(t, err)
		require.NotContains(t, fmt.Sprintf("%v %+v %s", err, err, log.String()), "S3cret", server)
	}
}
