import { test } from 'tap'
import type { StatisticsWanted } from '../../../src/quantization/statistics/statistics.js'
import { unionWanted } from '../../../src/quantization/statistics/union-wanted.js'

const wanted = (fields: Partial<StatisticsWanted>): StatisticsWanted => ({
  ranges: [],
  nonNegative: new Set(),
  reducers: ['extremes'],
  quantile: 1e-4,
  means: [],
  ...fields,
})

test('one run serves both kinds of target: each value once, with everything that is asked of it', async t => {
  const union = unionWanted([
    wanted({ ranges: ['a', 'b'], nonNegative: new Set(['a', 'b']), means: [{ value: 'a', axis: 1 }] }),
    wanted({
      ranges: ['b', 'c'],
      nonNegative: new Set(['c']),
      reducers: ['extremes', 'quantile'],
      means: [
        { value: 'a', axis: 1 },
        { value: 'c', axis: 2 },
      ],
      channels: [{ value: 'c', axis: 1 }],
    }),
  ])
  t.same(union.ranges, ['a', 'b', 'c'])
  t.same([...union.nonNegative], ['a', 'c'], 'b may lie below zero, as one of them says')
  t.same(union.reducers, ['extremes', 'quantile'])
  t.same(union.means, [
    { value: 'a', axis: 1 },
    { value: 'c', axis: 2 },
  ])
  t.same(union.channels, [{ value: 'c', axis: 1 }])
})
