import { defineMetric, type LabelForm, labelMismatch, meanTally } from './metric.js'
import { realValues } from './real-values.js'

const numbersLabel: LabelForm = {
  wanted: 'a number, or a row of numbers as long as the output,',
  fits: (label, output) => typeof label === 'number' || (typeof label !== 'string' && label.length === output.data.length),
}

/** Root of the mean squared error against a labelled number or row of numbers. An item's figure is its mean squared error. */
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
      for (let i = 0; i < values.length; i += 1) sum += (values[i]! - label[i]!) ** 2
      return sum / values.length
    }, Math.sqrt),
})
