import { defineMetric } from './metric.js'

/** Root of the mean squared error against a labelled number or row of numbers. */
export const rmse = defineMetric({
  name: 'rmse',
  kind: 'error',
  item: ({ output, label }) => {
    const wanted = typeof label === 'number' ? [label] : (label as readonly number[])
    let sum = 0
    wanted.forEach((value, index) => {
      sum += (Number(output.data[index]) - value) ** 2
    })
    return sum / wanted.length
  },
  total: Math.sqrt,
})
