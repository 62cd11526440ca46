import { nearest } from '../../config/nearest.js'
import { QuantdError } from '../../errors.js'
import { agreement } from './agreement.js'
import { auc } from './auc.js'
import { averagePrecisionAt, meanAveragePrecision } from './average-precision.js'
import { cer } from './cer.js'
import { cosine } from './cosine.js'
import { f1, thresholdF1 } from './f1.js'
import type { Metric, MetricFamily } from './metric.js'
import { regions } from './regions.js'
import { rmse } from './rmse.js'
import { signal } from './signal.js'
import { text } from './text.js'
import { topK } from './top-k.js'
import { top1 } from './top1.js'

export const metrics = [
  agreement,
  auc,
  cer,
  cosine,
  f1,
  meanAveragePrecision,
  rmse,
  signal,
  text,
  top1,
] as const satisfies readonly Metric[]

/** Those that take a number behind their name: `topk:5`. */
export const metricFamilies = [averagePrecisionAt, regions, thresholdF1, topK] as const satisfies readonly MetricFamily[]

/** For help texts and messages. */
export const metricNames: readonly string[] = [
  ...metrics.map(({ name }) => name),
  ...metricFamilies.map(({ name }) => `${name}:NUMBER`),
].sort()

export function isMetricName(name: string): boolean {
  try {
    metricNamed(name)
    return true
  } catch {
    // The reason matters to whoever asks for the metric, not here.
    return false
  }
}

/** Its name, or its name, a colon and a number. @throws ERR_QUANT_METRIC naming the nearest that is known */
export function metricNamed(name: string): Metric {
  const plain = metrics.find(metric => metric.name === name)
  if (plain !== undefined) return plain
  const [stem = '', digits = ''] = name.split(/:(.*)/s)
  const family = metricFamilies.find(candidate => candidate.name === stem)
  if (family === undefined) {
    const close = nearest(
      stem,
      [...metrics, ...metricFamilies].map(known => known.name),
    )
    const hint = close === undefined ? `expected one of ${metricNames.join(', ')}` : `did you mean '${close}'?`
    throw new QuantdError('ERR_QUANT_METRIC', `no metric '${name.slice(0, 100)}'; ${hint}`, { details: { metric: name.slice(0, 100) } })
  }
  const parameter = digits.trim() === '' ? Number.NaN : Number(digits)
  if (Number.isFinite(parameter) && family.accepts(parameter)) return family.make(parameter)
  throw new QuantdError('ERR_QUANT_METRIC', `metric '${name.slice(0, 100)}': behind '${stem}:' stands ${family.parameter}`)
}
