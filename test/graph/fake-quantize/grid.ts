import { test } from 'tap'
import { gridOfLimits } from '../../../src/graph/fake-quantize/grid.js'
import { gridUnder } from '../../../src/graph/fake-quantize/grid-codes.js'
import { seededFloats } from '../../fixtures/graph-builder.js'

test('limits that were made from a scale and a zero point give them back, to the last bit', async t => {
  const zeroPoints = [1, 31, 73, 128, 156, 254]
  const scales = seededFloats(400, 7).map(value => Math.abs(value) / 10 + 1e-4)
  for (const zeroPoint of zeroPoints) {
    const lows = scales.map(scale => -zeroPoint * scale)
    const highs = scales.map(scale => (255 - zeroPoint) * scale)
    const grid = gridOfLimits({ lows, highs, levels: 256, axis: 0 })!
    t.ok(grid.exact)
    const doubtful = scales.filter(
      (scale, channel) => grid.scales[channel] !== scale && grid.likelyScales?.get(channel)?.includes(scale) !== true,
    )
    t.same(doubtful, [], `${zeroPoint}`)
  }
})

test('where limits leave two scales, weights on the grid tell which one it was', async t => {
  const scales = seededFloats(2000, 9).map(value => Math.abs(value) / 50 + 1e-3)
  const grid = gridOfLimits({ lows: scales.map(scale => -127 * scale), highs: scales.map(scale => 127 * scale), levels: 255, axis: 0 })!
  t.ok(grid.likelyScales!.size > 0, 'some limits leave a doubt')
  const codes = [127, -127, 3, 11, 29, 63, 81, 113]
  const weights = Float32Array.from(
    { length: scales.length * codes.length },
    (_, at) => codes[at % codes.length]! * scales[Math.floor(at / codes.length)]!,
  )
  t.same(gridUnder(weights, [scales.length, codes.length], grid).scales, scales)
})

test('a range without zero on a code is not exact, limits out of order or not finite are no grid', async t => {
  t.notOk(gridOfLimits({ lows: [-1], highs: [3], levels: 256, axis: undefined })!.exact)
  t.notOk(gridOfLimits({ lows: [1], highs: [2], levels: 256, axis: undefined })!.exact)
  for (const [low, high] of [
    [1, 1],
    [2, 1],
    [Number.NaN, 1],
    [0, Number.POSITIVE_INFINITY],
  ] as const)
    t.equal(gridOfLimits({ lows: [low], highs: [high], levels: 256, axis: undefined }), undefined)
})
