import { decodeCtc } from './ctc.js'
import { defineMetric, meanTally } from './metric.js'

/** Share of lines read exactly, after trimming: as labelled, or as float reads them where there is no label. */
export const text = defineMetric({
  name: 'text',
  kind: 'share',
  needsLabels: false,
  start: () =>
    meanTally(({ output, label, float, alphabet }) => {
      const wanted = typeof label === 'string' ? label.trim() : decodeCtc(float, alphabet)
      return decodeCtc(output, alphabet) === wanted ? 1 : 0
    }),
})
