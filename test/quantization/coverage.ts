import { test } from 'tap'
import { int } from '../../src/graph/node.js'
import { coverageGap, coverageOf, heldToCoverage } from '../../src/quantization/coverage.js'
import { reportFixture } from '../fixtures/gateway/report.js'
import { op } from '../fixtures/graph-builder.js'

const layer = (state: 'int8' | 'float', macs: number, group = 1) => ({
  node: op('Conv', ['x', 'w'], 'y', { group: int(group) }),
  state,
  macs,
})

test('coverage is a share of multiply-adds, and has a floor that depthwise and recurrent models may go below', async t => {
  t.equal(coverageOf([layer('int8', 30), layer('float', 10)]), 0.75)
  t.equal(coverageOf([]), 0)
  t.match(coverageGap([]), /nothing to quantize/)
  t.match(coverageGap([layer('float', 10)]), /can be integer/)
  t.match(coverageGap([layer('int8', 85), layer('float', 15)]), /only 85 %/)
  t.equal(coverageGap([layer('int8', 90), layer('float', 10)]), undefined)
  t.equal(coverageGap([layer('int8', 55), layer('float', 45, 8)]), undefined)
  t.match(coverageGap([layer('int8', 45), layer('float', 55, 8)]), /only 45 %/)
  const recurrent = { node: op('LSTM', ['x', 'w', 'r'], 'z'), state: 'float', macs: 40 } as const
  t.equal(coverageGap([layer('int8', 60), recurrent]), undefined)
  t.match(coverageGap([layer('int8', 30), recurrent]), /only 43 %/)
})

test('a result that is no int8 model is refused, however it was judged', async t => {
  const { judgement } = reportFixture()
  t.equal(judgement!.verdict, 'accepted')
  t.equal(heldToCoverage(judgement!, {}), judgement)
  t.same(heldToCoverage(judgement!, { coverage_gap: 'it is float' }), { ...judgement, verdict: 'refused', sentence: 'it is float' })
})
