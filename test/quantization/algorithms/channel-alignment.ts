import { test } from 'tap'
import type { Graph, Model } from '../../../src/graph/graph.js'
import { int, ints, type Node } from '../../../src/graph/node.js'
import { constantData } from '../../../src/graph/tensor/tensor.js'
import { channelAlignment as algorithm } from '../../../src/quantization/algorithms/channel-alignment.js'
import { type BuildFields, buildModel, f32, floats, op, seeded, seededFloats } from '../../fixtures/graph-builder.js'
import { assertApplied, int8Db } from '../../fixtures/quantization/applied.js'

const inputs = [1, 2, 3].map(seed => ({ x: floats([1, 4, 6, 6], seed) }))
const modelOf = (fields: Pick<BuildFields, 'nodes' | 'constants'>): Model =>
  buildModel({ inputs: { x: ['float32', [1, 4, 6, 6]] }, outputs: { y: ['float32'] }, ...fields })
const numbers = (graph: Graph, name: string) => Array.from(constantData(graph.constant(name)!) as Float32Array)
const padded = { pads: ints([1, 1, 1, 1]) }

/** Output channels far apart in width and in middle. */
const constants = {
  a: f32(
    [4, 4, 3, 3],
    seededFloats(144).map((value, i) => value * [32, 1, 4, 0.5][Math.floor(i / 36)]!),
  ),
  ab: f32([4], [-300, 5, 40, 0]),
  b: f32(
    [5, 4, 1, 1],
    seededFloats(20, 2).map((value, i) => value / [32, 1, 4, 0.5][i % 4]!),
  ),
  bb: seeded([5], 3),
}
const pair = [op('Conv', ['x', 'a', 'ab'], 'p', padded), op('Conv', ['p', 'b', 'bb'], 'y')]

test('two channels get one middle and one width, as computed by hand', async t => {
  // x runs over -1..1: channel 0 = 3x + 5 is 2..8, channel 1 = x - 1 is -2..0; the median width of the two is the larger one, 6.
  const model = buildModel({
    inputs: { x: ['float32', [1, 1, 1, 3]] },
    outputs: { y: ['float32'] },
    constants: { a: f32([2, 1, 1, 1], [3, 1]), ab: f32([2], [5, -1]), b: f32([1, 2, 1, 1], [1, 10]) },
    nodes: [op('Conv', ['x', 'a', 'ab'], 'p'), op('Conv', ['p', 'b'], 'y')],
  })
  const x = [{ x: { dtype: 'float32', shape: [1, 1, 1, 3], data: Float32Array.of(-1, 0, 1) } as const }]
  const { graph } = await assertApplied(t, { title: 'by hand', algorithm, model, inputs: x, changes: 1 })
  const [first, second] = graph.nodes as readonly [Node, Node]
  t.same(numbers(graph, first.inputs[1]!), [3, 3])
  t.same(numbers(graph, first.inputs[2]!), [0, 0])
  t.same(
    numbers(graph, second.inputs[1]!).map(value => Math.round(value * 3)),
    [3, 10],
  )
  t.same(numbers(graph, second.inputs[2]!), [-5], 'inserted: 1 * 5 + 10 * -1')
})

test('a linear bottleneck whose channels are far apart gains by it', async t => {
  const model = modelOf({ constants, nodes: pair })
  const changed = await assertApplied(t, { title: 'bottleneck', algorithm, model, inputs, changes: 1 })
  const [before, after] = [await int8Db(model, model, inputs), await int8Db(model, changed, inputs)]
  t.ok(after > before + 6, `${before.toFixed(1)} dB, then ${after.toFixed(1)} dB`)
})

test('the first convolution may lack a bias or have groups, but its channels must be those that the second one reads', async t => {
  const [matrix, flat] = [seeded([6, 6], 5), seeded([6], 6)]
  const firsts = {
    'no bias': [op('Conv', ['x', 'a'], 'p', padded)],
    grouped: [op('Conv', ['x', 'g', 'ab'], 'p', { ...padded, group: int(4) })],
    depthwise: [op('Conv', ['x', 'g'], 'p', { ...padded, group: int(4) })],
  }
  const more = {
    ...constants,
    g: f32(
      [4, 1, 3, 3],
      seededFloats(36).map((value, i) => value * [32, 1, 4, 0.5][Math.floor(i / 9)]!),
    ),
    matrix,
    flat,
  }
  for (const [title, nodes] of Object.entries(firsts)) {
    const model = modelOf({ constants: more, nodes: [...nodes, op('Conv', ['p', 'b'], 'y')] })
    await assertApplied(t, { title, algorithm, model, inputs, changes: 1 })
  }
  // The channels of a product are its last axis, those that a convolution reads axis 1.
  const product = modelOf({
    constants: more,
    nodes: [op('MatMul', ['x', 'matrix'], 'm'), op('Add', ['m', 'flat'], 'p'), op('Conv', ['p', 'b'], 'y')],
  })
  await assertApplied(t, { title: 'other channels', algorithm, model: product, inputs, changes: 0 })
})

test('a chain is aligned at both places', async t => {
  const model = modelOf({
    constants: { ...constants, c: seeded([3, 5, 3, 3], 7) },
    nodes: [...pair.slice(0, 1), op('Conv', ['p', 'b', 'bb'], 'q'), op('Conv', ['q', 'c'], 'y')],
  })
  await assertApplied(t, { title: 'chain', algorithm, model, inputs, changes: 2 })
})

test('padding, steps, dilation, groups, an activation or a second reader keep a pair as it is', async t => {
  const wide = seeded([5, 4, 3, 3], 8)
  const seconds = {
    padding: [op('Conv', ['p', 'w'], 'y', padded)],
    'automatic padding': [op('Conv', ['p', 'w'], 'y', { auto_pad: { kind: 'string', value: 'SAME_UPPER' } })],
    steps: [op('Conv', ['p', 'w'], 'y', { strides: ints([2, 2]) })],
    dilation: [op('Conv', ['p', 'w'], 'y', { dilations: ints([2, 2]) })],
    groups: [op('Conv', ['p', 'd'], 'y', { group: int(4) })],
    activation: [op('Relu', ['p'], 'r'), op('Conv', ['r', 'w'], 'y')],
    'second reader': [op('Conv', ['p', 'w'], 'u'), op('Conv', ['p', 'w'], 'v'), op('Add', ['u', 'v'], 'y')],
  }
  for (const [title, nodes] of Object.entries(seconds)) {
    const model = modelOf({ constants: { ...constants, w: wide, d: seeded([4, 1, 3, 3], 9) }, nodes: [...pair.slice(0, 1), ...nodes] })
    await assertApplied(t, { title, algorithm, model, inputs, changes: 0 })
  }
})

test('dead and constant channels get their middle, no factor, and nothing that is not finite', async t => {
  const a = (constantData(constants.a) as Float32Array).map((value, i) => (i < 36 ? 0 : value))
  const model = modelOf({ constants: { ...constants, a: f32([4, 4, 3, 3], a) }, nodes: pair })
  const { graph } = await assertApplied(t, { title: 'constant', algorithm, model, inputs, changes: 1 })
  for (const name of graph.initializers.keys()) t.ok(numbers(graph, name).every(Number.isFinite), name)
  t.equal(numbers(graph, graph.nodes[0]!.inputs[2]!)[0], 0)
  const all = modelOf({ constants: { ...constants, a: f32([4, 4, 3, 3], new Float32Array(144)) }, nodes: pair })
  await assertApplied(t, { title: 'all constant', algorithm, model: all, inputs, changes: 0 })
})
