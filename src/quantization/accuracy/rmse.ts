import { defineMetric, meanTally } from './metric.js'

/** Root of the mean squared error against a labelled number or row of numbers. */
export const rmse = defineMetric({
  name: 'rmse',
  kind: 'error',
  needsLabels: true,
  start: () =>
    meanTally(({ output, label }) => {
      const wanted = typeof label === 'number' ? [label] : (label as readonly number[])
      let sum = 0
      wanted.forEach((value, index) => {
        sum += (Number(output.data[index]) - value) ** 2
      })
      return sum / wanted.length
    }, Math.sqrt),
})
