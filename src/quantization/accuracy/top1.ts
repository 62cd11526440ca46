import { argMax } from './ctc.js'
import { defineMetric, meanTally } from './metric.js'

/** Share of items whose largest output is the labelled class. */
export const top1 = defineMetric({
  name: 'top1',
  kind: 'share',
  needsLabels: true,
  start: () => meanTally(({ output, label }) => (argMax(output.data) === label ? 1 : 0)),
})
