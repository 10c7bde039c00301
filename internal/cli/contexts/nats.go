package contexts

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
)

// NATS is a file of `nats context`: what of it a connection needs.
// jsm.go reads the same files, at the price of nine megabytes of its schemas.
type NATS struct {
	URL         string `json:"url"`
	Token       string `json:"token"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Creds       string `json:"creds"`
	NKey        string `json:"nkey"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	CA          string `json:"ca"`
	NSC         string `json:"nsc"`
	SocksProxy  string `json:"socks_proxy"`
	UserJWT     string `json:"user_jwt"`
	UserSeed    string `json:"user_seed"`
	InboxPrefix string `json:"inbox_prefix"`
	TLSFirst    bool   `json:"tls_first"`
}

// ReadNATS reads ~/.config/nats/context/NAME.json.
func ReadNATS(name string) (c NATS, err error) {
	dir, err := configDir()
	if err != nil {
		return c, err
	}
	path := filepath.Join(dir, "nats", "context", name+".json")
	if err := readJSON(path, &c); errors.Is(err, fs.ErrNotExist) {
		return c, hodei.Errorf(hodei.NotFound, "no nats context is named %q: %s is not there", name, path)
	} else if err != nil {
		return c, err
	}
	if c.NSC != "" || c.SocksProxy != "" || strings.Contains(c.Creds, "://") {
		return c, hodei.Errorf(hodei.Invalid, "nats context %q has its credentials from nsc or goes through a proxy, which hodei does not; use a creds file", name)
	}
	if c.URL == "" {
		c.URL = nats.DefaultURL
	}
	return c, nil
}

// Options are how it connects.
func (c NATS) Options() (opts []nats.Option, err error) {
	switch {
	case c.User != "" && c.Password == "":
		opts = append(opts, nats.Token(c.User)) // as the nats command does
	case c.User != "":
		opts = append(opts, nats.UserInfo(c.User, c.Password))
	}
	if c.Token != "" {
		opts = append(opts, nats.Token(c.Token))
	}
	if c.Creds != "" {
		opts = append(opts, nats.UserCredentials(homeOf(c.Creds)))
	}
	if c.UserJWT != "" {
		opts = append(opts, nats.UserJWTAndSeed(c.UserJWT, c.UserSeed))
	}
	if c.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(homeOf(c.NKey))
		if err != nil {
			return nil, err
		}
		opts = append(opts, key)
	}
	if c.Cert != "" && c.Key != "" {
		opts = append(opts, nats.ClientCert(homeOf(c.Cert), homeOf(c.Key)))
	}
	if c.CA != "" {
		opts = append(opts, nats.RootCAs(homeOf(c.CA)))
	}
	if c.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	if c.TLSFirst {
		opts = append(opts, nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12}), nats.TLSHandshakeFirst())
	}
	return opts, nil
}

// homeOf is the path with a leading ~ replaced.
func homeOf(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
