import { test } from 'tap'
import { clipHistogram, countValues, emptyHistogram } from '../../../src/quantization/ranges/histogram-counts.js'

/** Bins that hold something: the value at their centre, and how many. */
const filled = ({ counts, width, zero }: ReturnType<typeof emptyHistogram>) =>
  [...counts].flatMap((count, bin) => (count === 0 ? [] : [[Number(((bin - zero) * width).toFixed(2)) + 0, count]]))

test('0 is the centre of a bin, both ends lie within, what is beyond is counted at the end', async t => {
  for (const range of [
    { low: -1, high: 3 },
    { low: 0, high: 6 },
    { low: -5, high: 0 },
    { low: 2, high: 4 },
    { low: 0, high: 0 },
  ]) {
    const histogram = emptyHistogram(range)
    countValues(histogram, [range.low, range.high, 0, -1000, 1000])
    const total = histogram.counts.reduce((sum, count) => sum + count, 0)
    t.equal(total, 5, `${range.low}..${range.high}`)
    t.ok(histogram.counts[histogram.zero]! >= 1, 'float 0')
    const near = (bin: number, value: number) => Math.abs((bin - histogram.zero) * histogram.width - value) <= histogram.width
    t.ok(near(0, Math.min(range.low, 0)) || range.low === range.high, 'the first bin is the low end')
    t.ok(near(2047, Math.max(range.high, 0)) || range.low === range.high, 'the last bin is the high end')
  }
})

test('values fall where they belong', async t => {
  const histogram = emptyHistogram({ low: -10.235, high: 10.235 })
  countValues(histogram, [0.014, -0.004, -10, 5.5, 5.5])
  t.same(filled(histogram), [
    [-10, 1],
    [0, 1],
    [0.01, 1],
    [5.5, 2],
  ])
})

test('what a clip cuts off counts at its limits', async t => {
  const histogram = emptyHistogram({ low: -10.235, high: 10.235 })
  countValues(histogram, [-3, 0, 4, 6, 9])
  t.same(filled(clipHistogram(histogram, { low: 0, high: 6 })), [
    [0, 2],
    [4, 1],
    [6, 2],
  ])
})
