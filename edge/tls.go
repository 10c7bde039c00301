package edge

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// certEvery is how often the files of the certificate are looked at, at most.
const certEvery = time.Second

// certificate is that of the server, read again when one of its files changes.
type certificate struct {
	cert, key string // files
	log       *slog.Logger

	mu     sync.Mutex
	have   *tls.Certificate
	read   [2]fileState
	looked time.Time
}

// fileState tells one content of a file from another.
type fileState struct {
	at   time.Time
	size int64
}

func newCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// get returns the current certificate, for tls.Config. If the new one is not valid, as while
// its files are written, the last one stays.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certEvery {
		return c.have, nil
	}
	c.looked = time.Now()
	if now := c.states(); now != c.read {
		if err := c.load(); err != nil {
			c.log.Warn("the new certificate is not usable, the last one stays", "err", err)
		} else {
			c.log.Info("certificate read again", "file", c.cert)
		}
	}
	return c.have, nil
}

// load reads both files. The caller holds the lock, or is the only one.
func (c *certificate) load() error {
	states := c.states()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read the certificate of --tls-cert and --tls-key: %w", err)
	}
	c.have, c.read, c.looked = &pair, states, time.Now()
	return nil
}

// states are those of the files; of a missing one the zero value.
func (c *certificate) states() (now [2]fileState) {
	for i, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			now[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return now
}

// tlsConfig is that of a server with the certificate. Streams rely on one connection for each
// request to notice a client that does not read, so there is no HTTP/2.
func (c *certificate) tlsConfig() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// below is the connection below TLS, or the connection itself.
func below(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}
