import { argMax } from './ctc.js'
import { defineMetric } from './metric.js'

/** Share of items whose largest output is the labelled class. */
export const top1 = defineMetric({
  name: 'top1',
  kind: 'share',
  item: ({ output, label }) => (argMax(output.data) === label ? 1 : 0),
  total: mean => mean,
})
