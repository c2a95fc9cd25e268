package telemetry

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the server's Prometheus metrics. Labels come from short lists (methods, routes, statuses): nothing that a
// client sends becomes one.
type Metrics struct {
	// Registry takes the metrics of other packages too.
	Registry *prometheus.Registry

	inFlight prometheus.Gauge
	panics   prometheus.Counter
	duration *prometheus.HistogramVec
	alarm    *prometheus.GaugeVec
}

// NewMetrics returns a registry with the metrics of this package, of the Go runtime and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "boundgate_http_requests_in_flight", Help: "Requests that are being answered."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "boundgate_http_panics_total", Help: "Requests that ended in a panic: each is a defect."}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "boundgate_http_request_duration_seconds", Help: "Time to answer requests.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"method", "route", "status"}),
		alarm: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "boundgate_alarm", Help: "1 while the server refuses because something it needs is lost."}, []string{"alarm"}),
	}
	m.Registry.MustRegister(m.inFlight, m.panics, m.duration, m.alarm,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// Handler serves the metrics in Prometheus' text form.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{Registry: m.Registry, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

func (m *Metrics) observe(method, route string, status int, took time.Duration) {
	m.duration.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Raise tells the operator that the server refuses, and why (P19): a gauge that a monitoring rule can watch and a line
// in the log. name is a constant of the caller, such as "store" or "clock".
func (m *Metrics) Raise(log *slog.Logger, name string, cause error, remedy string) {
	m.alarm.WithLabelValues(name).Set(1)
	log.Error("alarm: the server refuses until this is cured", "alarm", name, "error", cause, "hint", remedy)
}

// Clear ends an alarm.
func (m *Metrics) Clear(log *slog.Logger, name string) {
	m.alarm.WithLabelValues(name).Set(0)
	log.Info("alarm: over", "alarm", name)
}
