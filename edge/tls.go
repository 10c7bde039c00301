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

// certEvery is the shortest interval between two checks of the certificate's files.
const certEvery = time.Second

// certificate is the certificate of the server. It is read again when one of its files changes.
type certificate struct {
	cert, key string // files
	log       *slog.Logger

	mu     sync.Mutex
	have   *tls.Certificate
	read   [2]fileState
	looked time.Time
}

// fileState distinguishes versions of a file.
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

// get returns the current certificate, for tls.Config. If the new one is not valid, for example
// while its files are written, the last valid one stays in use.
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

// load reads both files. The caller holds the lock, or no other goroutine has c yet.
func (c *certificate) load() error {
	states := c.states()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read the certificate of --tls-cert and --tls-key: %w", err)
	}
	c.have, c.read, c.looked = &pair, states, time.Now()
	return nil
}

// states returns the states of the files; the zero value for a missing file.
func (c *certificate) states() (now [2]fileState) {
	for i, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			now[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return now
}

// tlsConfig returns the configuration of a server with the certificate. There is no HTTP/2,
// because streams need a separate connection to detect a client that does not read.
func (c *certificate) tlsConfig() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// below returns the connection below TLS, or the connection itself.
func below(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}
