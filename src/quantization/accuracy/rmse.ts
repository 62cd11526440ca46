import { defineMetric, type LabelForm, labelMismatch, meanTally } from './metric.js'
import { realValues } from './real-values.js'

const numbersLabel: LabelForm = {
  wanted: 'a number, or a row of numbers as long as the output,',
  fits: (label, output) => typeof label === 'number' || (typeof label !== 'string' && label.length === output.data.length),
  known: label => typeof label !== 'object' || label.some(value => !Number.isNaN(value)),
}

/** Root of the mean squared error against a labelled number or row of numbers, NaN where one is not known. An item's figure is its mean squared error. */
export const rmse = defineMetric({
  name: 'rmse',
  kind: 'error',
  needsLabels: true,
  labels: numbersLabel,
  start: () =>
    meanTally(({ output, label }) => {
      const values = realValues(output)
      if (typeof label === 'number') return (values[0]! - label) ** 2
      if (label === undefined || typeof label === 'string' || label.length !== values.length)
        throw labelMismatch('rmse', numbersLabel.wanted, label)
      let sum = 0
      let known = 0
      for (let i = 0; i < values.length; i += 1) {
        if (Number.isNaN(label[i])) continue
        sum += (values[i]! - label[i]!) ** 2
        known += 1
      }
      return known === 0 ? 0 : sum / known
    }, Math.sqrt),
})
