import { defineMetric, meanTally } from './metric.js'
import { classLabel, rankOfLabel } from './top-k.js'

/** Share of items whose largest output is the labelled class. */
export const top1 = defineMetric({
  name: 'top1',
  kind: 'share',
  needsLabels: true,
  labels: classLabel,
  start: () => meanTally(({ output, label }) => (rankOfLabel(output, label) === 0 ? 1 : 0)),
})
