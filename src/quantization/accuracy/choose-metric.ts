import { QuantdError } from '../../errors.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Manifest } from '../../samples/manifest.js'
import type { Label } from '../../samples/sample.js'
import type { QuantizeSettings } from '../settings.js'
import { agreement } from './agreement.js'
import { boxLabel } from './average-precision.js'
import { metricNamed } from './catalog.js'
import { labelMismatch, type Metric } from './metric.js'
import { classLabel } from './top-k.js'

/** What the caller knows of the task; all of it may be absent. */
export interface Judging {
  readonly task?: Manifest['task']
  readonly metric?: Manifest['metric']
  /** The output that is judged; default: the first. */
  readonly output?: string
  /** Symbol of each class of a text output, class 0 is blank. */
  readonly alphabet?: readonly string[]
  /** Metrics of the user, by the name that the settings or model.json call them by (`loadMetricModule`). */
  readonly modules?: ReadonlyMap<string, Metric>
}

export interface ChosenMetric {
  readonly name: string
  readonly by: 'labels' | 'float'
  /** Absent for `signal`, which has limits of its own. */
  readonly metric?: Metric
}

export interface ChooseOptions {
  readonly judging: Judging
  readonly requested: QuantizeSettings['metric']
  /** Of the first held-out sample. */
  readonly label: Label | undefined
  readonly output: Tensor
}

const signalAlone: ChosenMetric = { name: 'signal', by: 'float' }

/**
 * The metric of the task: as asked, else as the bundle says, else what the labels suggest. Without labels a classifier is held to float's top-1, a reader of
 * text to what float reads, everything else to the signal (DECISIONS, Judge).
 * @throws ERR_QUANT_METRIC when the asked metric is not known, or needs labels or an alphabet that are not there
 */
export function chooseMetric({ judging, requested, label, output }: ChooseOptions): ChosenMetric {
  const name = requested === 'auto' ? (judging.metric ?? fromTask({ judging, label, output })) : requested
  if (name === 'signal') return signalAlone
  const metric = resolveMetric(name, judging)
  if (label === undefined && metric.needsLabels) {
    return metric.labels === classLabel ? { name: 'agreement', by: 'float', metric: agreement } : signalAlone
  }
  return heldTo({ metric, label, output, judging })
}

/** A metric of the catalog or of the user. @throws ERR_QUANT_METRIC */
export const resolveMetric = (name: string, { modules }: Judging): Metric => modules?.get(name) ?? metricNamed(name)

export interface HeldToOptions {
  readonly metric: Metric
  readonly label: Label | undefined
  readonly output: Tensor
  readonly judging: Judging
}

/** `metric` with what it is held to. @throws ERR_QUANT_METRIC when it does not fit labels or alphabet */
export function heldTo({ metric, label, output, judging }: HeldToOptions): Required<ChosenMetric> {
  const { name } = metric
  if (metric.needsAlphabet && (judging.alphabet?.length ?? 0) === 0)
    throw new QuantdError('ERR_QUANT_METRIC', `metric '${name}' needs an alphabet in model.json`)
  if (label === undefined || metric.ofFloat) return { name, by: 'float', metric }
  if (metric.labels?.fits(label, output) === false) throw labelMismatch(name, metric.labels.wanted, label)
  return { name, by: 'labels', metric }
}

function fromTask({ judging, label, output }: Omit<ChooseOptions, 'requested'>): string {
  switch (judging.task) {
    case 'classification':
      return 'top1'
    case 'text':
      return 'text'
    case 'regression':
      return 'rmse'
    case 'detection':
      return label !== undefined && boxLabel.fits(label, output) ? 'map' : 'signal'
    default:
      return fromLabel({ judging, label, output })
  }
}

function fromLabel({ judging, label, output }: Omit<ChooseOptions, 'requested'>): string {
  if (typeof label === 'string') return (judging.alphabet?.length ?? 0) > 0 ? 'text' : 'signal'
  const elements = output.data.length
  if (typeof label === 'number') {
    if (elements === 1) return 'rmse'
    return Number.isInteger(label) && label >= 0 && label < elements ? 'top1' : 'signal'
  }
  return label !== undefined && label.length === elements ? 'rmse' : 'signal'
}
