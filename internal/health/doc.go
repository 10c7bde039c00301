// Package health answers /healthz, /readyz and /metrics: on the ports of the edge,
// and for any role on an address of its own.
//
// It knows no role: what is checked is passed to it.
package health
