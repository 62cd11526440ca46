import { test } from 'tap'
import { codeError, histogram, searchBins } from '../../../src/quantization/ranges/histogram.js'
import { bellWith, lookAt } from '../../fixtures/quantization/second-look.js'

/** A bell with three strays, as counts. */
const counts = Float64Array.from({ length: 2048 }, (_, bin) => Math.floor(1000 * Math.exp(-(((bin - 900) / 150) ** 2))))
counts[0] = 1
counts[2047] = 2
counts[1800] = 3

test('error and search are those of NNCF 3 (HistogramAggregator), to the last figures', async t => {
  const near = (found: number, wanted: number) => Math.abs(found / wanted - 1) < 1e-9
  t.ok(near(codeError(counts, { first: 0, last: 2047 }), 1415674.0000000005))
  t.ok(near(codeError(counts, { first: 500, last: 1500 }), 1463855.211083874))
  t.ok(near(codeError(counts, { first: 700, last: 1100 }), 47383914.167818494))
  t.same(searchBins({ counts }), { first: 507, last: 1799 })
})

test('strays are cut off, within what was seen', async t => {
  const look = lookAt(bellWith([9]), 'asymmetric')
  const { low, high } = histogram.refine(look)
  t.ok(high < 8 && high > 3.5, `high ${high}`)
  t.ok(low >= look.range.low && low < -2.5, `low ${low}`)
})
