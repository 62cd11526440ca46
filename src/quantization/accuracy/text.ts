import { decodeCtc } from './ctc.js'
import { defineMetric, type LabelForm, meanTally } from './metric.js'

export const textLabel: LabelForm = { wanted: 'a text', fits: label => typeof label === 'string' }

/** Share of lines read exactly, after trimming: as labelled, or as float reads them where there is no label. */
export const text = defineMetric({
  name: 'text',
  kind: 'share',
  needsLabels: false,
  labels: textLabel,
  needsAlphabet: true,
  start: () =>
    meanTally(({ output, label, float, alphabet }) => {
      const wanted = typeof label === 'string' ? label.trim() : decodeCtc(float, alphabet)
      return decodeCtc(output, alphabet) === wanted ? 1 : 0
    }),
})
