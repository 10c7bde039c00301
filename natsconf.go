package hodei

import _ "embed"

// NATSConf is nats.conf, the configuration that the embedded server and a
// production one both start from.
//
//go:embed nats.conf
var NATSConf []byte
