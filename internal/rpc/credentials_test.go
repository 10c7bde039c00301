package rpc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/rpc"
)

// TestCredentialsConnect connects to a server that wants a certificate and an nkey, and to one
// with accounts in JWTs, each with and without what it wants.
func TestCredentialsConnect(t *testing.T) {
	dir := t.TempDir()
	ca, cert, key := certificates(t, dir)
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := user.PublicKey()
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	nkey := write(t, dir, "user.nk", seed)

	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	authorities := x509.NewCertPool()
	text, err := os.ReadFile(ca)
	require.NoError(t, err)
	require.True(t, authorities.AppendCertsFromPEM(text))
	secured := run(t, &server.Options{
		Nkeys: []*server.NkeyUser{{Nkey: public}}, TLS: true, TLSVerify: true, TLSTimeout: 5,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities, MinVersion: tls.VersionTLS12},
	})
	whole := rpc.Credentials{NKey: nkey, CA: ca, TLSCert: cert, TLSKey: key}
	withJWT, creds := accounts(t, dir)
	for what, c := range map[string]struct {
		url  string
		with rpc.Credentials
		ok   bool
	}{
		"an nkey and TLS":          {secured, whole, true},
		"no nkey":                  {secured, rpc.Credentials{CA: ca, TLSCert: cert, TLSKey: key}, false},
		"no authority":             {secured, rpc.Credentials{NKey: nkey, TLSCert: cert, TLSKey: key}, false},
		"no certificate":           {secured, rpc.Credentials{NKey: nkey, CA: ca}, false},
		"credentials":              {withJWT, rpc.Credentials{Creds: creds}, true},
		"no credentials":           {withJWT, rpc.Credentials{}, false},
		"an nkey for an account":   {withJWT, rpc.Credentials{NKey: nkey}, false},
		"both":                     {withJWT, rpc.Credentials{Creds: creds, NKey: nkey}, false},
		"half a certificate":       {secured, rpc.Credentials{NKey: nkey, CA: ca, TLSCert: cert}, false},
		"a file that is not there": {secured, rpc.Credentials{NKey: filepath.Join(dir, "nosuch"), CA: ca}, false},
	} {
		opts, err := c.with.Options()
		if err == nil {
			nc, failed := rpc.Connect(c.url, what, slog.New(slog.DiscardHandler), opts...)
			if err = failed; err == nil {
				require.NoError(t, nc.Flush())
				nc.Close()
			}
		}
		require.Equal(t, c.ok, err == nil, "%s: %v", what, err)
		if err != nil {
			require.NotContains(t, err.Error(), string(seed))
		}
	}
}

func run(t *testing.T, opts *server.Options) (url string) {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	srv, err := server.NewServer(opts)
	require.NoError(t, err)
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	require.True(t, srv.ReadyForConnections(30*time.Second))
	return srv.ClientURL()
}

// accounts runs a server with an account in a JWT, and returns the file of a user's credentials.
func accounts(t *testing.T, dir string) (url, creds string) {
	t.Helper()
	made := func(pair nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		require.NoError(t, err)
		public, err := pair.PublicKey()
		require.NoError(t, err)
		return pair, public
	}
	operator, operatorID := made(nkeys.CreateOperator())
	account, accountID := made(nkeys.CreateAccount())
	user, userID := made(nkeys.CreateUser())
	of, err := jwt.NewAccountClaims(accountID).Encode(operator)
	require.NoError(t, err)
	claims, err := jwt.NewUserClaims(userID).Encode(account)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	file, err := jwt.FormatUserConfig(claims, seed)
	require.NoError(t, err)
	resolver := &server.MemAccResolver{}
	require.NoError(t, resolver.Store(accountID, of))
	return run(t, &server.Options{TrustedKeys: []string{operatorID}, AccountResolver: resolver}), write(t, dir, "user.creds", file)
}

// certificates makes an authority, and a certificate of it for this machine and its key.
func certificates(t *testing.T, dir string) (ca, cert, key string) {
	t.Helper()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	encode := func(name, kind string, der []byte, err error) string {
		require.NoError(t, err)
		return write(t, dir, name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	ca = encode("ca.pem", "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), rootKey)
	cert = encode("cert.pem", "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(leafKey)
	return ca, cert, encode("key.pem", "PRIVATE KEY", der, err)
}

func write(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}
