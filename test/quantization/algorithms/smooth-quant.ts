import { test } from 'tap'
import type { Graph, Model } from '../../../src/graph/graph.js'
import { constantData } from '../../../src/graph/tensor/tensor.js'
import { smoothQuant as algorithm, smoothing } from '../../../src/quantization/algorithms/smooth-quant.js'
import { type BuildFields, buildModel, f32, floats, i64, op, seeded, seededFloats } from '../../fixtures/graph-builder.js'
import { assertApplied, int8Db } from '../../fixtures/quantization/applied.js'
import { opTypes } from '../../fixtures/rewritten.js'

const inputs = [1, 2, 3].map(seed => ({ x: floats([1, 7, 6], seed) }))
const modelOf = (fields: Pick<BuildFields, 'nodes' | 'constants'>): Model =>
  buildModel({ inputs: { x: ['float32', [1, 7, 6]] }, outputs: { y: ['float32'] }, ...fields })
const numbers = (graph: Graph, name: string) => Array.from(constantData(graph.constant(name)!) as Float32Array)

/** Two channels of the data are far louder than the others, and the weights that read them far smaller. */
const loud = [50, 1, 1, 20, 1, 0.5]
const quieted = (seed: number) =>
  f32(
    [6, 5],
    seededFloats(30, seed).map((value, i) => value / loud[Math.floor(i / 5)]!),
  )
const constants = {
  scale: f32([6], loud),
  shift: f32(
    [6],
    loud.map(value => value / 4),
  ),
  a: quieted(2),
  b: quieted(3),
  bb: seeded([5], 4),
  first: f32(
    [6, 6],
    seededFloats(36, 5).map((value, i) => value * loud[i % 6]!),
  ),
}
const twice = [op('MatMul', ['n', 'a'], 'u'), op('MatMul', ['n', 'b'], 'v'), op('Add', ['v', 'bb'], 'w'), op('Add', ['u', 'w'], 'y')]

test('the division goes into a layer normalization that products alone read, and int8 gains', async t => {
  const model = modelOf({ constants, nodes: [op('LayerNormalization', ['x', 'scale', 'shift'], 'n'), ...twice] })
  const changed = await assertApplied(t, { title: 'normalization', algorithm, model, inputs, changes: 1, alpha: 0.5 })
  t.same(opTypes(changed.graph), opTypes(model.graph), 'no operator is added')
  const [before, after] = [await int8Db(model, model, inputs), await int8Db(model, changed, inputs)]
  t.ok(after > before + 6, `${before.toFixed(1)} dB, then ${after.toFixed(1)} dB`)
})

test('so does it into linear operators, constants of products and sums, and through what lies between', async t => {
  const sources = {
    MatMul: [op('MatMul', ['x', 'first'], 'n')],
    'MatMul and sum': [op('MatMul', ['x', 'first'], 'm'), op('Add', ['m', 'shift'], 'n')],
    'product with a constant': [op('Mul', ['x', 'scale'], 'n')],
    'product and sum': [op('Sigmoid', ['x'], 's'), op('Mul', ['scale', 's'], 'm'), op('Add', ['m', 'shift'], 'n')],
    'product and Relu': [op('Mul', ['x', 'scale'], 'm'), op('Relu', ['m'], 'n')],
  }
  for (const [title, nodes] of Object.entries(sources)) {
    const model = modelOf({ constants, nodes: [...nodes, ...twice] })
    const changed = await assertApplied(t, { title, algorithm, model, inputs, changes: 1 })
    t.same(opTypes(changed.graph), opTypes(model.graph), `${title}: no operator is added`)
  }
})

test('behind anything else one product is inserted for all that read the value, and other readers keep the value', async t => {
  const source = [op('LayerNormalization', ['x', 'scale', 'shift'], 'm'), op('HardSwish', ['m'], 'n')]
  const model = modelOf({ constants, nodes: [...source, ...twice] })
  const { graph } = await assertApplied(t, { title: 'activation', algorithm, model, inputs, changes: 1 })
  t.same(opTypes(graph).filter(type => type === 'Mul').length, 1)
  const beside = modelOf({
    constants: { ...constants, c: seeded([6, 5], 7) },
    nodes: [
      op('LayerNormalization', ['x', 'scale', 'shift'], 'n'),
      op('MatMul', ['n', 'a'], 'u'),
      op('Softmax', ['n'], 's'),
      op('MatMul', ['s', 'c'], 'v'),
      op('Add', ['u', 'v'], 'y'),
    ],
  })
  const changed = await assertApplied(t, { title: 'other reader', algorithm, model: beside, inputs, changes: 2 })
  t.same(changed.graph.producer('s')!.inputs, ['n'])
  t.same(changed.graph.producer(changed.graph.producer('u')!.inputs[0]!)!.inputs[0], 'n')
})

test('the half of a GELU stays one number', async t => {
  const model = modelOf({
    constants: { ...constants, root: f32([], [Math.SQRT2]), one: f32([], [1]), half: f32([], [0.5]) },
    nodes: [
      op('LayerNormalization', ['x', 'scale', 'shift'], 'g'),
      op('Div', ['g', 'root'], 'd'),
      op('Erf', ['d'], 'e'),
      op('Add', ['e', 'one'], 'p'),
      op('Mul', ['g', 'p'], 'h'),
      op('Mul', ['h', 'half'], 'n'),
      ...twice,
    ],
  })
  const { graph } = await assertApplied(t, { title: 'GELU', algorithm, model, inputs, changes: 1 })
  t.same(graph.producer('n')!.inputs, ['h', 'half'])
})

test('alpha says how much of the spread moves', async t => {
  const half = f32(
    [6, 5],
    seededFloats(30, 2).map((value, i) => value / Math.sqrt(loud[Math.floor(i / 5)]!)),
  )
  const model = modelOf({
    constants: { ...constants, a: half, b: half },
    nodes: [op('LayerNormalization', ['x', 'scale', 'shift'], 'n'), ...twice],
  })
  const spreads = []
  for (const alpha of [0.5, 0.95]) {
    const { graph } = await assertApplied(t, { title: `alpha ${alpha}`, algorithm, model, inputs, changes: 1, alpha })
    const scale = numbers(graph, graph.producer('n')!.inputs[1]!)
    spreads.push(Math.max(...scale) / Math.min(...scale))
  }
  t.ok(spreads[0]! > 1.3 * spreads[1]!, `of 100, ${spreads} are left`)
})

test('convolutions are smoothed only when asked for', async t => {
  const image = buildModel({
    inputs: { x: ['float32', [1, 4, 6, 6]] },
    outputs: { y: ['float32'] },
    constants: {
      c: f32(
        [5, 4, 3, 3],
        seededFloats(180).map((value, i) => value / loud[Math.floor(i / 9) % 4]!),
      ),
      d: f32([4, 1, 1], loud.slice(0, 4)),
    },
    nodes: [op('Mul', ['x', 'd'], 'm'), op('HardSwish', ['m'], 'n'), op('Conv', ['n', 'c'], 'y')],
  })
  const images = [1, 2].map(seed => ({ x: floats([1, 4, 6, 6], seed) }))
  await assertApplied(t, { title: 'not asked', algorithm, model: image, inputs: images, changes: 0 })
  const asked = smoothing(['Conv', 'Gemm', 'MatMul'])
  const { graph } = await assertApplied(t, { title: 'asked', algorithm: asked, model: image, inputs: images, changes: 1 })
  t.same(opTypes(graph), ['Mul', 'HardSwish', 'Mul', 'Conv'])
})

test('shared weights are copied, dead channels are left, and level or silent data is not touched', async t => {
  const shared = modelOf({
    constants: { ...constants, scale: f32([6], [50, 0, 1, 20, 1, 0.5]), shift: f32([6], [1, 0, 1, 1, 1, 1]) },
    nodes: [
      op('LayerNormalization', ['x', 'scale', 'shift'], 'n'),
      op('MatMul', ['n', 'a'], 'u'),
      op('Gemm', ['r', 'a'], 'z'),
      op('Reshape', ['x', 'flat'], 'r'),
      op('Reshape', ['z', 'whole'], 'v'),
      op('Add', ['u', 'v'], 'y'),
    ],
  })
  shared.graph.initializers.set('flat', i64([[-1, 6].length], [-1, 6]))
  shared.graph.initializers.set('whole', i64([[1, 7, 5].length], [1, 7, 5]))
  shared.graph.sortTopologically()
  const { graph } = await assertApplied(t, { title: 'shared', algorithm, model: shared, inputs, changes: 1 })
  t.equal(graph.producer('z')!.inputs[1], 'a')
  for (const name of graph.initializers.keys())
    if (graph.constant(name)!.dtype === 'float32') t.ok(numbers(graph, name).every(Number.isFinite), name)
  const level = modelOf({ constants: { ...constants, a: seeded([6, 5], 8) }, nodes: [op('MatMul', ['x', 'a'], 'y')] })
  await assertApplied(t, { title: 'level', algorithm, model: level, inputs, changes: 0 })
  const silent = modelOf({
    constants: { ...constants, scale: f32([6], [0, 0, 0, 0, 0, 0]), shift: f32([6], [0, 0, 0, 0, 0, 0]) },
    nodes: [op('LayerNormalization', ['x', 'scale', 'shift'], 'n'), ...twice],
  })
  await assertApplied(t, { title: 'silent', algorithm, model: silent, inputs, changes: 0 })
})
