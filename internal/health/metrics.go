package health

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hodei-jobs/hodei/internal/notify"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// Registry returns the metrics that every process has: those of Go and of the
// process, its connection to NATS, its panics and its version.
func Registry(connected func() bool, version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hodei_nats_connected", Help: "1 while the connection to NATS is up.",
		}, func() float64 {
			if connected() {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "hodei_panics_total", Help: "Panics contained in this process, each logged with its stack.",
		}, func() float64 { return float64(rpc.Panics()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hodei_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version},
		}, func() float64 { return 1 }),
	)
	registry.MustRegister(sent{})
	return registry
}

// sent are the attempts to send notifications.
type sent struct{}

var sentDesc = prometheus.NewDesc("hodei_notifications_total", "Attempts of this process to send notifications: delivered, retried or failed.",
	[]string{"kind", "outcome"}, nil)

func (sent) Describe(to chan<- *prometheus.Desc) { to <- sentDesc }

func (sent) Collect(to chan<- prometheus.Metric) {
	for o, n := range notify.Counts() {
		to <- prometheus.MustNewConstMetric(sentDesc, prometheus.CounterValue, float64(n), string(o.Kind), o.Outcome)
	}
}
