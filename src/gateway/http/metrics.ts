import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { jobStates } from '../jobs/job.js'
import type { OperationsView } from './operations-view.js'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [value: number, labels?: Labels]

interface Metric {
  readonly name: string
  readonly help: string
  /** A counter's samples are totals since the start of the daemon. */
  readonly kind: 'gauge' | 'counter'
  readonly labels?: readonly string[]
  readonly samples: (view: OperationsView) => readonly Sample[]
}

const bit = (value: boolean): number => (value ? 1 : 0)

/** Every metric of the daemon beside those of its process (prom-client's defaults, event loop lag among them). Units as Prometheus wants them: seconds, bytes. */
const metrics: readonly Metric[] = [
  {
    name: 'quantd_ready',
    help: '1 while requests are taken',
    kind: 'gauge',
    samples: view => [[bit(view.status().ready)]],
  },
  {
    name: 'quantd_requests_total',
    help: 'inference requests by how they ended',
    kind: 'counter',
    labels: ['outcome'],
    samples: view => (['answered', 'refused', 'expired'] as const).map(outcome => [view.serving()[outcome], { outcome }]),
  },
  {
    name: 'quantd_requests_in_flight',
    help: 'inference requests being worked on',
    kind: 'gauge',
    samples: view => [[view.serving().inFlight]],
  },
  {
    name: 'quantd_requests_queued',
    help: 'inference requests waiting',
    kind: 'gauge',
    samples: view => [[view.serving().queued]],
  },
  {
    name: 'quantd_request_rate',
    help: 'inference requests answered per second, over the last minute',
    kind: 'gauge',
    samples: view => [[view.serving().requestsPerSecond]],
  },
  {
    name: 'quantd_request_seconds',
    help: 'time from arrival to answer',
    kind: 'gauge',
    labels: ['quantile'],
    samples: view => [
      [view.serving().p50Ms / 1000, { quantile: '0.5' }],
      [view.serving().p99Ms / 1000, { quantile: '0.99' }],
    ],
  },
  {
    name: 'quantd_journal_rows',
    help: 'requests and answers that are not settled',
    kind: 'gauge',
    labels: ['table'],
    samples: view => (['inbox', 'outbox'] as const).map(table => [view.journal()[table], { table }]),
  },
  {
    name: 'quantd_journal_written_bytes_total',
    help: 'bytes written to the journal',
    kind: 'counter',
    samples: view => [[view.journal().bytesWritten]],
  },
  {
    name: 'quantd_journal_durable',
    help: '0 while the journal cannot be written',
    kind: 'gauge',
    samples: view => [[bit(view.journal().durable)]],
  },
  {
    name: 'quantd_model_ready',
    help: '1 for each model that answers, by the version that does',
    kind: 'gauge',
    labels: ['model', 'version', 'kind'],
    samples: view =>
      view
        .models()
        .map(({ name, active, versions, state }) => [
          bit(state === 'ready'),
          { model: name, version: active ?? '', kind: versions.find(({ version }) => version === active)?.kind ?? '' },
        ]),
  },
  {
    name: 'quantd_capture_samples',
    help: 'captured samples kept',
    kind: 'gauge',
    labels: ['model', 'pool'],
    samples: view =>
      view.capture().flatMap(({ model, reservoir, leastConfident }): Sample[] => [
        [reservoir, { model, pool: 'reservoir' }],
        [leastConfident, { model, pool: 'least-confident' }],
      ]),
  },
  {
    name: 'quantd_capture_bytes',
    help: 'bytes of captured samples',
    kind: 'gauge',
    labels: ['model'],
    samples: view => view.capture().map(({ model, bytes }) => [bytes, { model }]),
  },
  {
    name: 'quantd_capture_stopped',
    help: '1 while capture is on but stands still',
    kind: 'gauge',
    labels: ['model'],
    samples: view => view.capture().map(({ model, stopped }) => [bit(stopped !== undefined), { model }]),
  },
  {
    name: 'quantd_jobs',
    help: 'jobs that are kept, by state',
    kind: 'gauge',
    labels: ['state'],
    samples: view => jobStates.map(state => [view.jobs().filter(job => job.state === state).length, { state }]),
  },
  {
    name: 'quantd_worker_up',
    help: '1 while the process of a device answers',
    kind: 'gauge',
    labels: ['device'],
    samples: view => view.workers().map(({ device, pid }) => [bit(pid !== undefined), { device }]),
  },
  {
    name: 'quantd_worker_resident_bytes',
    help: 'resident memory of a device worker',
    kind: 'gauge',
    labels: ['device'],
    samples: view =>
      view.workers().flatMap(({ device, rssMiB }): Sample[] => (rssMiB === undefined ? [] : [[rssMiB * 2 ** 20, { device }]])),
  },
  {
    name: 'quantd_worker_restarts_total',
    help: 'times that a device worker was replaced',
    kind: 'counter',
    labels: ['device'],
    samples: view => view.workers().map(({ device, restarts }) => [restarts, { device }]),
  },
]

/** A registry that reads `view` when it is scraped: nothing is counted twice, nothing runs between scrapes. */
export function metricsRegistry(view: OperationsView): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'quantd_' })
  for (const { name, help, kind, labels = [], samples } of metrics) {
    const options = { name, help, labelNames: [...labels], registers: [registry] }
    if (kind === 'gauge') {
      new Gauge({
        ...options,
        collect() {
          this.reset()
          for (const [value, label = {}] of samples(view)) this.set(label, value)
        },
      })
    } else {
      new Counter({
        ...options,
        collect() {
          this.reset()
          for (const [value, label = {}] of samples(view)) this.inc(label, value)
        },
      })
    }
  }
  return registry
}
