package edge

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hodei-jobs/hodei/internal/health"
)

// metrics are the Prometheus metrics of one edge, all ports together. The
// services report theirs over NATS (`nats service stats`).
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec   // method, route, status
	took     *prometheus.HistogramVec // method, route; without streams, which last as long as they are read
	streams  prometheus.Gauge
	lines    prometheus.Counter
}

func newMetrics(cfg Config) *metrics {
	m := &metrics{
		registry: health.Registry(func() bool { return cfg.NATS != nil && cfg.NATS.IsConnected() }, cfg.Version),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hodei_http_requests_total", Help: "Requests answered.",
		}, []string{"method", "route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hodei_http_request_duration_seconds", Help: "Time taken to answer; log streams do not count.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12), // half a millisecond to 12 s
		}, []string{"method", "route"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hodei_http_open_streams", Help: "Streams of logs and events that are open.",
		}),
		lines: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hodei_http_lines_sent_total", Help: "Log lines sent by streams.",
		}),
	}
	m.registry.MustRegister(m.requests, m.took, m.streams, m.lines)
	return m
}

// countConns adds the number of open connections.
func (m *metrics) countConns(open *atomic.Int64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hodei_http_open_connections", Help: "Connections that are open.",
	}, func() float64 { return float64(open.Load()) }))
}

// methodsKnown bounds the values of the method label.
var methodsKnown = []string{"GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"}

// count records the answer to a routed request.
func (m *metrics) count(r *http.Request, answered *recorder, took time.Duration) {
	method := r.Method
	if !slices.Contains(methodsKnown, method) {
		method = "other"
	}
	pattern := route(r, answered.status)
	m.requests.WithLabelValues(method, pattern, strconv.Itoa(answered.status)).Inc()
	if !answered.stream {
		m.took.WithLabelValues(method, pattern).Observe(took.Seconds())
	}
}

// route returns the matched pattern, without the prefix.
func route(r *http.Request, status int) string {
	pattern := strings.TrimPrefix(chi.RouteContext(r.Context()).RoutePattern(), prefixes[0])
	if pattern == "" || pattern == "/*" || status == http.StatusMethodNotAllowed {
		return "none"
	}
	return pattern
}
