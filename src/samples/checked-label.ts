import { QuantdError } from '../errors.js'
import type { Manifest } from './manifest.js'
import type { Label } from './sample.js'

/** Metrics that compare the one class of an item. */
const classMetrics = ['top1', 'topk']

const metricOfTask = { classification: 'top1', text: 'text', regression: 'rmse', detection: undefined, other: undefined } as const

/**
 * A label from outside as the metric of the model compares it: a class by its name becomes its index.
 * @throws ERR_SAMPLES_LABEL when the model can have no such answer: counted as wrong it would cost float and int8 alike
 */
export function checkedLabel(
  { task, metric = metricOfTask[task], classes }: Pick<Manifest, 'task' | 'metric' | 'classes'>,
  label: Label,
): Label {
  const [stem = ''] = (metric ?? '').split(':')
  if (classMetrics.includes(stem)) return classIndex(label, classes)
  switch (stem) {
    case 'text':
    case 'cer':
      return typeof label === 'string' ? label : refuse(label, 'a text')
    case 'rmse':
      return typeof label === 'string' ? refuse(label, 'a number or a row of numbers') : label
    default:
      return label
  }
}

function classIndex(label: Label, classes: readonly string[] | undefined): number {
  const index = typeof label === 'string' ? (classes ?? []).indexOf(label) : label
  if (typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 && index < (classes?.length ?? Number.POSITIVE_INFINITY))
    return index
  return refuse(
    label,
    classes === undefined ? 'the index of a class' : `one of ${classes.slice(0, 20).join(', ')}, or its index 0..${classes.length - 1}`,
  )
}

function refuse(label: Label, expected: string): never {
  throw new QuantdError('ERR_SAMPLES_LABEL', `label: ${expected} is needed, found ${JSON.stringify(label).slice(0, 60)}`, {
    details: { expected },
  })
}
