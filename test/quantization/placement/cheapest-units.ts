import { test } from 'tap'
import type { Model } from '../../../src/graph/graph.js'
import { ints } from '../../../src/graph/node.js'
import { coverageGap } from '../../../src/quantization/coverage.js'
import type { MeasuredCosts, WholeVerdict } from '../../../src/quantization/placement/measured-costs.js'
import { place } from '../../../src/quantization/placement/place.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'
import { allOps, placed } from '../../fixtures/quantization/quantized.js'
import { residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'

const same = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) }

/** Four convolutions in a row. */
const row = (): Model =>
  buildModel({
    inputs: { x: ['float32', [1, 4, 8, 8]] },
    outputs: { d: ['float32', [1, 4, 8, 8]] },
    constants: Object.fromEntries(['a', 'b', 'c', 'd'].map((name, at) => [`w${name}`, seeded([4, 4, 3, 3], at + 1)])),
    nodes: [
      op('Conv', ['x', 'wa'], 'a', same),
      op('Conv', ['a', 'wb'], 'b', same),
      op('Conv', ['b', 'wc'], 'c', same),
      op('Conv', ['c', 'wd'], 'd', same),
    ],
  })

interface Priced {
  readonly times: Readonly<Record<string, readonly [float: number, int8: number]>>
  readonly conversion: number
  readonly whole?: WholeVerdict
  readonly floor?: number
}

const priced = ({ times, conversion, whole, floor = 0 }: Priced): MeasuredCosts => ({
  timesOf: ({ main }) => {
    const known = times[main.name]
    return known === undefined ? undefined : { float: known[0], int8: known[1] }
  },
  enter: () => conversion,
  leave: () => conversion,
  wholeOf: () => whole,
  floorOf: () => floor,
})

async function states(model: Model, costs: Priced) {
  const { shapes } = await placed(model, seededInputs(model, 1))
  const placement = place({ graph: model.graph, shapes, keepFloat: new Map(), ops: allOps, weightRange: 'full', costs: priced(costs) })
  return { placement, text: placement.layers.map(({ node, state }) => `${node.name} ${state}`).join(', ') }
}

test('a slow integer layer stays float only where that is worth two conversions', async t => {
  const times = { a: [9, 3], b: [5, 9], c: [9, 3], d: [9, 3] } as const
  t.equal((await states(row(), { times, conversion: 1 })).text, 'a int8, b float, c int8, d int8', 'saves 4, costs 2')
  t.equal((await states(row(), { times, conversion: 3 })).text, 'a int8, b int8, c int8, d int8', 'saves 4, would cost 6')
})

test('integer layers that gain less than their conversions stay float, and say what was measured', async t => {
  const times = { a: [5, 4], b: [5, 9], c: [5, 4], d: [5, 9] } as const
  const { text, placement } = await states(row(), { times, conversion: 1 })
  t.equal(text, 'a float, b float, c float, d float')
  t.equal(placement.layers[0]!.reason, 'measured: 5.0 us in float, 4.0 us in int8 besides conversions')
  t.match(coverageGap(placement.layers), /^float is the faster here, measured: .*the result is float$/)
})

test('layers that the table does not know are placed by the built-in rules', async t => {
  t.equal((await states(row(), { times: { b: [1, 100] }, conversion: 1 })).text, 'a int8, b float, c int8, d int8')
  t.equal((await states(row(), { times: {}, conversion: 1 })).text, 'a int8, b int8, c int8, d int8')
})

test('one value is converted once for all of its readers', async t => {
  const model = buildModel({
    inputs: { x: ['float32', [1, 4, 8, 8]] },
    outputs: Object.fromEntries(['b', 'c', 'd'].map(name => [name, ['float32', [1, 4, 8, 8]]])),
    constants: Object.fromEntries(['a', 'b', 'c', 'd'].map((name, at) => [`w${name}`, seeded([4, 4, 3, 3], at + 1)])),
    nodes: [op('Conv', ['x', 'wa'], 'a', same), ...['b', 'c', 'd'].map(name => op('Conv', ['a', `w${name}`], name, same))],
  })
  const gains = { a: [1, 50], b: [9, 6], c: [9, 6], d: [9, 6] } as const
  // Behind a float layer: 5 for the codes of its result, and 1 for each answer of three layers that gain 3 each.
  const costs: MeasuredCosts = { ...priced({ times: gains, conversion: 1 }), enter: () => 5, leave: () => 1 }
  const { shapes } = await placed(model, seededInputs(model, 1))
  const { layers } = place({ graph: model.graph, shapes, keepFloat: new Map(), ops: allOps, weightRange: 'full', costs })
  t.same(
    layers.map(({ state }) => state),
    ['float', 'int8', 'int8', 'int8'],
  )
})

test('sums and pools are integer behind float layers where that is measured to be worth it', async t => {
  const times = { c1: [1, 90], c2: [1, 90], s: [90, 1], p: [90, 1], f: [1, 1], y: [90, 1] } as const
  const { placement, text } = await states(residualNet(), { times, conversion: 1 })
  t.match(text, /^c1 float, r1 float, c2 float, s int8, r2 removed, p int8/)
  t.equal(placement.quantizers.get('c2')!.at, 'entering')
})

test('what a whole model was measured to be fastest as wins over its parts', async t => {
  const times = { a: [9, 3], b: [5, 9], c: [9, 3], d: [9, 3] } as const
  const whole = (fastest: WholeVerdict['fastest']) => ({
    times,
    conversion: 1,
    whole: { fastest, reason: 'measured: 3 us in float, 9 us in int8' },
  })
  t.equal((await states(row(), whole('int8'))).text, 'a int8, b int8, c int8, d int8')
  t.equal((await states(row(), whole('mixed'))).text, 'a int8, b float, c int8, d int8')
  const { text, placement } = await states(row(), whole('float'))
  t.equal(text, 'a float, b float, c float, d float')
  t.match(placement.layers[3]!.reason, /3 us in float/)
})

test('where too little would be integer, the layers that lose the least by it are integer all the same', async t => {
  const times = { a: [5, 9], b: [5, 6], c: [5, 7], d: [9, 3] } as const
  const text = async (floor: number) => (await states(row(), { times, conversion: 0.1, floor })).text
  t.equal(await text(0), 'a float, b float, c float, d int8')
  t.equal(await text(0.5), 'a float, b int8, c float, d int8')
  t.equal(await text(0.75), 'a float, b int8, c int8, d int8')
  t.equal(await text(1), 'a int8, b int8, c int8, d int8')
})
