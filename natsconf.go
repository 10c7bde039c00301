package hodei

import _ "embed"

// NATSConf is nats.conf, the base configuration of both the embedded and a
// production server.
//
//go:embed nats.conf
var NATSConf []byte
