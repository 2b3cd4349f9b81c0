package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// Jobs counts jobs. It implements job.Observer.
type Jobs struct {
	group
	results  *prometheus.CounterVec
	pending  prometheus.Gauge
	running  prometheus.Gauge
	duration *prometheus.HistogramVec
}

func newJobs() *Jobs {
	j := &Jobs{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tom_worker_jobs_total",
			Help: "Lines of input that have their result, by its status (ok, failed, invalid, not_started) and the error's reason.",
		}, []string{"status", "reason"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tom_worker_jobs_pending",
			Help: "Jobs that were read and have no result yet, those that run among them.",
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tom_worker_jobs_running",
			Help: "Jobs at their devices.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tom_worker_job_duration_seconds",
			Help:    "Time from when a job was read to its result, waiting for its device included, by status (ok, failed).",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800},
		}, []string{"status"}),
	}
	j.group = group{j.results, j.pending, j.running, j.duration}
	j.results.WithLabelValues(string(job.StatusOK), "")
	j.results.WithLabelValues(string(job.StatusInvalid), string(job.Invalid))
	j.results.WithLabelValues(string(job.StatusNotStarted), string(job.NotStarted))
	for _, reason := range jobReasons {
		if reason != job.Invalid && reason != job.NotStarted {
			j.results.WithLabelValues(string(job.StatusFailed), string(reason))
		}
	}
	for _, status := range []job.Status{job.StatusOK, job.StatusFailed} {
		j.duration.WithLabelValues(string(status))
	}
	return j
}

// Read implements job.Observer.
func (j *Jobs) Read() { j.pending.Inc() }

// Answered implements job.Observer.
func (j *Jobs) Answered(result job.Result) {
	j.pending.Dec()
	reason := ""
	if result.Error != nil {
		reason = jobReasons.label(result.Error.Reason)
	}
	j.results.WithLabelValues(string(result.Status), reason).Inc()
	switch result.Status {
	case job.StatusOK, job.StatusFailed:
		j.duration.WithLabelValues(string(result.Status)).Observe(result.Duration)
	}
}

// Worker counts the jobs that run with w.
func (j *Jobs) Worker(w job.Worker) job.Worker { return &worker{Worker: w, running: j.running} }

type worker struct {
	job.Worker
	running prometheus.Gauge
}

// Do implements job.Worker.
func (w *worker) Do(ctx context.Context, j *job.Job) job.Outcome {
	w.running.Inc()
	defer w.running.Dec() // even if the job panics
	return w.Worker.Do(ctx, j)
}
