import { QuantdError } from '../../errors.js'
import type { Bundle, BundleFile } from '../../samples/bundle.js'
import type { QuantizeSettings } from '../settings.js'
import { metricNamed } from './catalog.js'
import type { Metric } from './metric.js'
import { isModuleName, loadMetricModule } from './metric-module.js'

type MetricsOf = Pick<Bundle, 'manifest' | 'files'>

export interface BundleMetricsOptions {
  readonly bundle: MetricsOf
  /** What will be judged by: modules that it does not name are not loaded. */
  readonly settings: Pick<QuantizeSettings, 'metric' | 'metrics'>
  /** A bundle may come from anywhere, and its modules are code: they run only where the operator said so. */
  readonly modules: 'allowed' | 'forbidden'
}

/**
 * Metrics that a bundle brings as modules, by the name that its model.json calls them by: files of the bundle and no others.
 * @throws ERR_QUANT_METRIC_MODULE where they are forbidden, missing or wrong, ERR_QUANT_METRIC for a name that is neither module nor metric
 */
export async function loadBundleMetrics({ bundle, settings, modules }: BundleMetricsOptions): Promise<ReadonlyMap<string, Metric>> {
  const first = settings.metric === 'auto' ? bundle.manifest.metric : settings.metric
  const wanted = new Set([first, ...settings.metrics.map(({ name }) => name)])
  const loaded = new Map<string, Metric>()
  for (const [name, { path }] of moduleFiles(bundle)) {
    if (!wanted.has(name)) continue
    if (modules === 'forbidden') {
      const how = 'jobs.metric_modules allows it to the daemon, --metric-modules to the command line'
      throw new QuantdError(
        'ERR_QUANT_METRIC_MODULE',
        `metric '${name}' is code that the bundle brings, which does not run unasked: ${how}`,
        {
          details: { metric: name },
        },
      )
    }
    loaded.set(name, await loadMetricModule(path))
  }
  return loaded
}

/** The files that the model.json of a bundle names as metrics; all its other metrics are of the catalog. @throws ERR_QUANT_METRIC_MODULE, ERR_QUANT_METRIC */
export function moduleFiles({ manifest: { metric, metrics = [] }, files }: MetricsOf): ReadonlyMap<string, BundleFile> {
  const names = [...(metric === undefined ? [] : [metric]), ...metrics.map(({ name }) => name)]
  const found = new Map<string, BundleFile>()
  for (const name of names) {
    if (!isModuleName(name)) {
      metricNamed(name)
      continue
    }
    const file = files.find(candidate => candidate.name === name.replace(/^\.\//, ''))
    if (file === undefined)
      throw new QuantdError('ERR_QUANT_METRIC_MODULE', `model.json: metric '${name}' is no file of the bundle`, {
        details: { metric: name },
      })
    found.set(name, file)
  }
  return found
}
