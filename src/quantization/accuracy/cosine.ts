import { defineMetric, meanTally } from './metric.js'
import { compareSignals, cosineOf } from './signal.js'

/** Mean over the items of the cosine between the output and float's; float's own is 1. */
export const cosine = defineMetric({
  name: 'cosine',
  kind: 'share',
  needsLabels: false,
  ofFloat: true,
  start: () => meanTally(({ output, float }) => cosineOf(compareSignals(float, output))),
})
