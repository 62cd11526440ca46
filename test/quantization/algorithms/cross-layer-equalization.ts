import { test } from 'tap'
import type { Model } from '../../../src/graph/graph.js'
import { float, int, ints } from '../../../src/graph/node.js'
import { constantData } from '../../../src/graph/tensor/tensor.js'
import { crossLayerEqualization as algorithm } from '../../../src/quantization/algorithms/cross-layer-equalization.js'
import { type BuildFields, buildModel, f32, floats, i64, op, seeded, seededFloats } from '../../fixtures/graph-builder.js'
import { assertApplied, int8Db } from '../../fixtures/quantization/applied.js'

const inputs = [1, 2, 3].map(seed => ({ x: floats([1, 4, 6, 6], seed) }))
const modelOf = (fields: Pick<BuildFields, 'nodes' | 'constants'>): Model =>
  buildModel({ inputs: { x: ['float32', [1, 4, 6, 6]] }, outputs: { y: ['float32'] }, ...fields })

/** Weights whose output channels are 64, 1, 16 and 1/4 times as large, and such that lose that again on their input channels. */
const spread = [64, 1, 16, 0.25]
const out = (shape: readonly number[], seed = 1) => {
  const inner = shape.slice(1).reduce((product, size) => product * size, 1)
  return f32(
    shape,
    seededFloats(shape[0]! * inner, seed).map((value, i) => value * spread[Math.floor(i / inner) % 4]!),
  )
}
const back = (shape: readonly number[], seed = 2) => {
  const kernel = shape.slice(2).reduce((product, size) => product * size, 1)
  return f32(
    shape,
    seededFloats(shape[0]! * shape[1]! * kernel, seed).map((value, i) => value / spread[Math.floor(i / kernel) % shape[1]!]!),
  )
}
const padded = { pads: ints([1, 1, 1, 1]) }
const constants = { a: out([4, 4, 3, 3]), ab: f32([4], spread), b: back([5, 4, 3, 3]), bb: seeded([5], 3) }

test('a pair whose channels are far apart gains what its one activation scale loses', async t => {
  const model = modelOf({
    constants,
    nodes: [op('Conv', ['x', 'a', 'ab'], 'p', padded), op('Relu', ['p'], 'r'), op('Conv', ['r', 'b', 'bb'], 'y', padded)],
  })
  const changed = await assertApplied(t, { title: 'pair', algorithm, model, inputs, changes: 1 })
  const [before, after] = [await int8Db(model, model, inputs), await int8Db(model, changed, inputs)]
  t.ok(after > before + 6, `${before.toFixed(1)} dB, then ${after.toFixed(1)} dB`)
})

test('what is positively homogeneous may stand between', async t => {
  const slope = f32([4, 1, 1], [0.1, -0.2, 0, 0.5])
  const between = {
    nothing: [],
    LeakyRelu: [op('LeakyRelu', ['p'], 'm')],
    PRelu: [op('PRelu', ['p', 'slope'], 'm')],
    'MaxPool with padding': [op('Relu', ['p'], 'n'), op('MaxPool', ['n'], 'm', { kernel_shape: ints([3, 3]), ...padded })],
    'AveragePool with padding': [op('AveragePool', ['p'], 'm', { kernel_shape: ints([3, 3]), ...padded })],
    'two Transposes': [
      op('Transpose', ['p'], 'n', { perm: ints([0, 2, 3, 1]) }),
      op('Transpose', ['n'], 'm', { perm: ints([0, 3, 1, 2]) }),
    ],
    'a product with a constant': [op('Mul', ['p', 'slope'], 'm')],
    'a sum with a constant': [op('Add', ['slope', 'p'], 'm')],
    'a gate of its own size': [op('GlobalAveragePool', ['x'], 'g'), op('Sigmoid', ['g'], 'n'), op('Mul', ['n', 'p'], 'm')],
  }
  for (const [title, nodes] of Object.entries(between)) {
    const model = modelOf({
      constants: { ...constants, slope },
      nodes: [op('Conv', ['x', 'a', 'ab'], 'p', padded), ...nodes, op('Conv', [nodes.length === 0 ? 'p' : 'm', 'b', 'bb'], 'y', padded)],
    })
    await assertApplied(t, { title, algorithm, model, inputs, changes: 1 })
  }
})

test('what is not homogeneous, or seen from elsewhere, keeps a pair as it is', async t => {
  const between = {
    Sigmoid: [op('Sigmoid', ['p'], 'm')],
    'a limit above': [op('Clip', ['p', 'zero', 'six'], 'm')],
    'a sum with the input': [op('Add', ['p', 'x'], 'm')],
    'a product with itself': [op('Mul', ['p', 'p'], 'm')],
    'a product with its own mean': [op('GlobalAveragePool', ['p'], 'g'), op('Mul', ['p', 'g'], 'm')],
    'a slope of itself': [op('GlobalAveragePool', ['p'], 'g'), op('PRelu', ['p', 'g'], 'm')],
    'another reader': [op('Relu', ['p'], 'm'), op('Softmax', ['p'], 'z')],
    'a sum over channels': [op('ReduceSum', ['p', 'one'], 's', { keepdims: int(1) }), op('Mul', ['p', 's'], 'm')],
    'pooling over the channels': [
      op('Transpose', ['p'], 'n', { perm: ints([0, 2, 1, 3]) }),
      op('MaxPool', ['n'], 'o', { kernel_shape: ints([3, 3]), ...padded }),
      op('Transpose', ['o'], 'm', { perm: ints([0, 2, 1, 3]) }),
    ],
  }
  const limits = { zero: f32([], [0]), six: f32([], [6]), one: i64([1], [1]) }
  for (const [title, nodes] of Object.entries(between)) {
    const model = modelOf({
      constants: { ...constants, ...limits },
      nodes: [op('Conv', ['x', 'a', 'ab'], 'p', padded), ...nodes, op('Conv', ['m', 'b', 'bb'], 'y', padded)],
    })
    await assertApplied(t, { title, algorithm, model, inputs, changes: 0 })
  }
  const model = buildModel({
    inputs: { x: ['float32', [1, 4, 6, 6]] },
    outputs: { y: ['float32'], r: ['float32'] },
    constants,
    nodes: [op('Conv', ['x', 'a', 'ab'], 'p', padded), op('Relu', ['p'], 'r'), op('Conv', ['r', 'b', 'bb'], 'y', padded)],
  })
  await assertApplied(t, { title: 'an output', algorithm, model, inputs, changes: 0 })
})

test('a depthwise convolution between two others is balanced on both sides', async t => {
  const model = modelOf({
    constants: { ...constants, d: out([4, 1, 3, 3], 5), db: seeded([4], 6), b: back([5, 4, 1, 1]) },
    nodes: [
      op('Conv', ['x', 'a', 'ab'], 'p', padded),
      op('Relu', ['p'], 'r'),
      op('Conv', ['r', 'd', 'db'], 'q', { ...padded, group: int(4) }),
      op('Relu', ['q'], 's'),
      op('Conv', ['s', 'b', 'bb'], 'y'),
    ],
  })
  const changed = await assertApplied(t, { title: 'depthwise', algorithm, model, inputs, changes: 2 })
  const [before, after] = [await int8Db(model, model, inputs), await int8Db(model, changed, inputs)]
  t.ok(after > before + 6, `${before.toFixed(1)} dB, then ${after.toFixed(1)} dB`)
})

test('convolutions in groups are scaled in their own channels', async t => {
  const model = modelOf({
    constants: { ...constants, a: out([4, 2, 3, 3]), b: back([6, 2, 3, 3]), bb: seeded([6], 3) },
    nodes: [
      op('Conv', ['x', 'a', 'ab'], 'p', { ...padded, group: int(2) }),
      op('Relu', ['p'], 'r'),
      op('Conv', ['r', 'b', 'bb'], 'y', { ...padded, group: int(2) }),
    ],
  })
  await assertApplied(t, { title: 'groups', algorithm, model, inputs, changes: 1 })
})

test('matrix products read flattened channels, rows or columns as their weights lie', async t => {
  const flat = 4 * 36
  const ends = [64, 1, 16, 0.25, 2]
  const columns = f32(
    [flat, 5],
    seededFloats(flat * 5, 4).map((value, i) => value * ends[i % 5]!),
  )
  const readers = {
    MatMul: [op('MatMul', ['f', 'm'], 'y')],
    Gemm: [op('Gemm', ['f', 'm', 'bb'], 'y', { beta: float(0.5) })],
    'Gemm, turned': [op('Gemm', ['f', 't', 'bb'], 'y', { transB: int(1) })],
    'MatMul with a sum, then Gemm': [
      op('MatMul', ['f', 'm'], 'u'),
      op('Add', ['u', 'bb'], 'v'),
      op('Relu', ['v'], 'w'),
      op('Gemm', ['w', 'e', 'bb'], 'y', { alpha: float(2) }),
    ],
  }
  for (const [title, nodes] of Object.entries(readers)) {
    const model = modelOf({
      constants: {
        ...constants,
        m: columns,
        t: seeded([5, flat], 4),
        e: f32(
          [5, 5],
          seededFloats(25).map((value, i) => value / ends[Math.floor(i / 5)]!),
        ),
      },
      nodes: [op('Conv', ['x', 'a', 'ab'], 'p', padded), op('Relu', ['p'], 'r'), op('Flatten', ['r'], 'f', { axis: int(1) }), ...nodes],
    })
    const changes = title.includes('then') ? 2 : 1
    await assertApplied(t, { title, algorithm, model, inputs, changes })
  }
})

test('a residual stream is one group of all that adds to it and reads it', async t => {
  const model = modelOf({
    constants: { ...constants, c: back([4, 4, 3, 3], 7), d: out([4, 4, 1, 1], 8) },
    nodes: [
      op('Conv', ['x', 'a', 'ab'], 'p', padded),
      op('Relu', ['p'], 'r'),
      op('Conv', ['r', 'c'], 'i', padded),
      op('Sigmoid', ['i'], 'j'),
      op('Conv', ['j', 'd'], 'k'),
      op('Add', ['r', 'k'], 's'),
      op('Conv', ['s', 'b', 'bb'], 'y', padded),
    ],
  })
  const changed = await assertApplied(t, { title: 'stream', algorithm, model, inputs, changes: 1 })
  const [before, after] = [await int8Db(model, model, inputs), await int8Db(model, changed, inputs)]
  t.ok(after > before + 3, `${before.toFixed(1)} dB, then ${after.toFixed(1)} dB`)
})

test('the values of an attention are balanced against what reads its heads, the keys are not', async t => {
  const heads = [1, 6, 2, 2]
  const columns = (seed: number) =>
    f32(
      [4, 4],
      seededFloats(16, seed).map((value, i) => value * spread[i % 4]!),
    )
  const rows = f32(
    [4, 5],
    seededFloats(20, 9).map((value, i) => value / spread[Math.floor(i / 5)]!),
  )
  const model = buildModel({
    inputs: { x: ['float32', [1, 6, 4]] },
    outputs: { y: ['float32'] },
    constants: {
      q: columns(1),
      k: columns(2),
      v: columns(3),
      vb: f32([4], spread),
      o: rows,
      heads: i64([4], heads),
      flat: i64([3], [1, 6, 4]),
    },
    nodes: [
      op('Softmax', ['x'], 'n'),
      ...['q', 'k', 'v'].flatMap(name => [
        op('MatMul', ['n', name], `${name}m`),
        name === 'v' ? op('Add', ['vm', 'vb'], 'va') : op('Identity', [`${name}m`], `${name}a`),
        op('Reshape', [`${name}a`, 'heads'], `${name}r`),
        op('Transpose', [`${name}r`], `${name}t`, { perm: ints(name === 'k' ? [0, 2, 3, 1] : [0, 2, 1, 3]) }),
      ]),
      op('MatMul', ['qt', 'kt'], 's'),
      op('Softmax', ['s'], 'p'),
      op('MatMul', ['p', 'vt'], 'c'),
      op('Transpose', ['c'], 'ct', { perm: ints([0, 2, 1, 3]) }),
      op('Reshape', ['ct', 'flat'], 'cr'),
      op('MatMul', ['cr', 'o'], 'y'),
    ],
  })
  const sequences = [1, 2].map(seed => ({ x: floats([1, 6, 4], seed) }))
  const { graph } = await assertApplied(t, { title: 'attention', algorithm, model, inputs: sequences, changes: 1 })
  t.same([graph.producer('qm')!.inputs[1], graph.producer('km')!.inputs[1]], ['q', 'k'])
})

test('a sum of results whose channels lie on different axes is no group', async t => {
  const model = modelOf({
    constants: {
      a: f32(
        [6, 4, 1, 1],
        seededFloats(24).map((value, i) => value * [64, 1, 16, 0.25, 1, 1][Math.floor(i / 4)]!),
      ),
      m: seeded([6, 6], 2),
      b: seeded([5, 6, 1, 1], 3),
    },
    nodes: [op('Conv', ['x', 'a'], 'p'), op('MatMul', ['p', 'm'], 'q'), op('Add', ['p', 'q'], 's'), op('Conv', ['s', 'b'], 'y')],
  })
  await assertApplied(t, { title: 'axes', algorithm, model, inputs, changes: 0 })
})

test('weights and biases that another operator shares are left to it', async t => {
  const nodes = [
    op('Conv', ['x', 'a', 'ab'], 'p', padded),
    op('Relu', ['p'], 'r'),
    op('Conv', ['r', 'b'], 'u', padded),
    op('Conv', ['x', 'a', 'ab'], 'q', padded),
    op('Sigmoid', ['q'], 's'),
    op('Conv', ['s', 'b'], 'v', padded),
    op('Add', ['u', 'v'], 'y'),
  ]
  const model = modelOf({ constants, nodes })
  const { graph } = await assertApplied(t, { title: 'shared', algorithm, model, inputs, changes: 1 })
  const read = (output: string) => graph.producer(output)!.inputs.slice(1)
  t.same([read('q'), read('v')], [['a', 'ab'], ['b']])
  for (const name of [...read('p'), ...read('u')]) t.notOk(['a', 'ab', 'b'].includes(name), name)
})

test('channels that are dead, silent or never read harm nobody', async t => {
  const dead = (values: Float32Array, channel: number, size: number, stride: number) =>
    values.map((value, i) => (Math.floor(i / size) % stride === channel ? 0 : value))
  const a = f32([4, 4, 3, 3], dead(constantData(constants.a) as Float32Array, 1, 36, 4))
  const b = f32([5, 4, 3, 3], dead(constantData(constants.b) as Float32Array, 2, 9, 4))
  const cases = {
    'no weights before': { ...constants, a, ab: f32([4], [1, 0, 1, 1]) },
    'no weights behind': { ...constants, b },
    'never above zero': { ...constants, ab: f32([4], [-1e4, 1, 1, 1]) },
  }
  for (const [title, these] of Object.entries(cases)) {
    const model = modelOf({
      constants: these,
      nodes: [op('Conv', ['x', 'a', 'ab'], 'p', padded), op('Relu', ['p'], 'r'), op('Conv', ['r', 'b', 'bb'], 'y', padded)],
    })
    const { graph } = await assertApplied(t, { title, algorithm, model, inputs, changes: 1 })
    for (const [name, tensor] of graph.initializers)
      t.ok((constantData(tensor) as Float32Array).every(Number.isFinite), `${title}: ${name} is finite`)
  }
  const nothing = modelOf({
    constants: { ...constants, ab: f32([4], [-1e4, -1e4, -1e4, -1e4]) },
    nodes: [op('Conv', ['x', 'a', 'ab'], 'p', padded), op('Relu', ['p'], 'r'), op('Conv', ['r', 'b', 'bb'], 'y', padded)],
  })
  await assertApplied(t, { title: 'all silent', algorithm, model: nothing, inputs, changes: 0 })
})

test('channels that are level already stay, and so does a model without pairs', async t => {
  const row = seededFloats(36)
  const rows = f32(
    [4, 4, 3, 3],
    Float32Array.from({ length: 144 }, (_, i) => row[i % 36]!),
  )
  const level = { ...constants, a: rows, ab: f32([4], [0, 0, 0, 0]), b: seeded([5, 4, 3, 3], 2) }
  const pair = [op('Conv', ['x', 'a', 'ab'], 'p', padded), op('Relu', ['p'], 'r'), op('Conv', ['r', 'b', 'bb'], 'y', padded)]
  await assertApplied(t, { title: 'level', algorithm, model: modelOf({ constants: level, nodes: pair }), inputs, changes: 0 })
  const model = modelOf({ constants: {}, nodes: [op('Sigmoid', ['x'], 'y')] })
  t.same(
    algorithm.wanted(
      model,
      new Map([
        ['x', [1, 4, 6, 6]],
        ['y', [1, 4, 6, 6]],
      ]),
    ),
    [],
  )
})
