import { QuantdError } from '../../errors.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Manifest } from '../../samples/manifest.js'
import type { Label } from '../../samples/sample.js'
import type { QuantizeSettings } from '../settings.js'
import { agreement } from './agreement.js'
import type { Metric } from './metric.js'
import { rmse } from './rmse.js'
import { text } from './text.js'
import { top1 } from './top1.js'

/** What the caller knows of the task; all of it may be absent. */
export interface Judging {
  readonly task?: Manifest['task']
  readonly metric?: Manifest['metric']
  /** The output that is judged; default: the first. */
  readonly output?: string
  /** Symbol of each class of a text output, class 0 is blank. */
  readonly alphabet?: readonly string[]
}

export interface ChosenMetric {
  readonly name: 'top1' | 'text' | 'rmse' | 'agreement' | 'signal'
  readonly by: 'labels' | 'float'
  /** Absent for `signal`. */
  readonly metric?: Metric
}

export interface ChooseOptions {
  readonly judging: Judging
  readonly requested: QuantizeSettings['metric']
  /** Of the first held-out sample. */
  readonly label: Label | undefined
  readonly output: Tensor
}

/**
 * The metric of the task: as asked, else as the bundle says, else what the labels suggest. Without labels a classifier is held to float's top-1, a reader of
 * text to what float reads, everything else to the signal (DECISIONS, Judge).
 * @throws ERR_QUANT_METRIC when the asked metric needs labels or an alphabet that are not there
 */
export function chooseMetric({ judging, requested, label, output }: ChooseOptions): ChosenMetric {
  const byTask = { classification: 'top1', text: 'text', regression: 'rmse', detection: 'signal', other: undefined } as const
  const asked =
    requested === 'auto' ? (judging.metric ?? byTask[judging.task ?? 'other'] ?? fromLabel({ judging, label, output })) : requested
  const labelled = label !== undefined
  switch (asked) {
    case 'top1':
      if (labelled && typeof label !== 'number') throw mismatch('top1', 'a class index', label)
      return labelled ? { name: 'top1', by: 'labels', metric: top1 } : { name: 'agreement', by: 'float', metric: agreement }
    case 'text':
      if ((judging.alphabet?.length ?? 0) === 0) throw new QuantdError('ERR_QUANT_METRIC', "metric 'text' needs an alphabet in model.json")
      if (labelled && typeof label !== 'string') throw mismatch('text', 'a text', label)
      return { name: 'text', by: labelled ? 'labels' : 'float', metric: text }
    case 'rmse':
      if (!labelled) return { name: 'signal', by: 'float' }
      if (typeof label === 'string') throw mismatch('rmse', 'a number or a row of numbers', label)
      return { name: 'rmse', by: 'labels', metric: rmse }
    case 'agreement':
      return { name: 'agreement', by: 'float', metric: agreement }
    default:
      return { name: 'signal', by: 'float' }
  }
}

function fromLabel({ judging, label, output }: Omit<ChooseOptions, 'requested'>): ChosenMetric['name'] {
  if (typeof label === 'string') return (judging.alphabet?.length ?? 0) > 0 ? 'text' : 'signal'
  const elements = output.data.length
  if (typeof label === 'number') {
    if (elements === 1) return 'rmse'
    return Number.isInteger(label) && label >= 0 && label < elements ? 'top1' : 'signal'
  }
  return label !== undefined && label.length === elements ? 'rmse' : 'signal'
}

const mismatch = (metric: string, expected: string, label: Label) =>
  new QuantdError('ERR_QUANT_METRIC', `metric '${metric}' needs ${expected} as label, found ${JSON.stringify(label)?.slice(0, 60)}`)
