package rpc

import (
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
)

// Credentials are the files with which a program proves who it is to NATS, and by which it
// knows the server; "" for none. They are read again at each connection.
type Credentials struct {
	// Creds has a JWT and its seed, NKey the seed of an nkey.
	Creds, NKey string
	// CA has the certificates of authorities that the server's must come from, in PEM.
	CA string
	// TLSCert and TLSKey are the certificate of this program.
	TLSCert, TLSKey string
}

// Options are those of the connection.
func (c Credentials) Options() ([]nats.Option, error) {
	var opts []nats.Option
	switch {
	case c.Creds != "" && c.NKey != "":
		return nil, hodei.Errorf(hodei.Invalid, "credentials and an nkey for NATS exclude each other")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return nil, hodei.Errorf(hodei.Invalid, "the certificate for NATS and its key belong together")
	case c.Creds != "":
		opts = append(opts, nats.UserCredentials(c.Creds))
	case c.NKey != "":
		key, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("read the nkey for NATS in %s: %w", c.NKey, err)
		}
		opts = append(opts, key)
	}
	if c.CA != "" {
		opts = append(opts, nats.RootCAs(c.CA))
	}
	if c.TLSCert != "" {
		opts = append(opts, nats.ClientCert(c.TLSCert, c.TLSKey))
	}
	return opts, nil
}
