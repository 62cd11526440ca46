import { test } from 'tap'
import { type Attribute, float, int, ints, string } from '../../../src/graph/node.js'
import { factRules } from '../../../src/graph/ops/catalog.js'
import { type Facts, inferFacts } from '../../../src/graph/ops/facts.js'
import type { ConstantTensor, Tensor } from '../../../src/graph/tensor/tensor.js'
import { buildModel, type Declared, f32, floats, i64, op, runModel, seeded } from '../../fixtures/graph-builder.js'

/** One operator over x float32[2, 3, 8, 8] (or `shape`), further inputs as constants: what ONNX Runtime gives is what the facts have to say. */
interface Case {
  readonly name: string
  readonly attributes?: Record<string, Attribute>
  /** Constants behind x; a string is x itself again, '' an absent input. */
  readonly inputs?: readonly (ConstantTensor | string)[]
  readonly shape?: readonly number[]
  readonly opset?: number
  readonly outputs?: number
  /** Element types of the outputs; float32 where none is given. */
  readonly types?: readonly Declared[0][]
  /** Sizes that stay unknown on purpose. */
  readonly open?: boolean
}

const kernel = { kernel_shape: ints([3, 3]) }
const cases: readonly Case[] = [
  ...['Abs', 'Ceil', 'Floor', 'Identity', 'Neg', 'Relu', 'Sigmoid', 'Softmax', 'Erf', 'HardSwish', 'Dropout'].map(name => ({ name })),
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow'].map(name => ({ name, inputs: [seeded([3, 1, 1])] })),
  ...['Max', 'Min', 'Sum', 'Mean'].map(name => ({ name, inputs: [seeded([8]), seeded([5, 1, 1, 1, 1])] })),
  ...['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal'].map((name): Case => ({ name, inputs: [seeded([8])], types: ['bool'] })),
  { name: 'Cast', attributes: { to: int(7) }, types: ['int64'] },
  { name: 'Conv', inputs: [seeded([4, 3, 3, 3])] },
  {
    name: 'Conv',
    inputs: [seeded([6, 1, 3, 3]), seeded([6])],
    attributes: { group: int(3), strides: ints([2, 3]), pads: ints([0, 1, 2, 1]) },
  },
  { name: 'Conv', inputs: [seeded([4, 3, 3, 3])], attributes: { dilations: ints([2, 3]), auto_pad: string('VALID') } },
  { name: 'Conv', inputs: [seeded([4, 3, 3, 3])], attributes: { strides: ints([3, 2]), auto_pad: string('SAME_LOWER') } },
  {
    name: 'ConvTranspose',
    inputs: [seeded([3, 2, 3, 3])],
    attributes: { strides: ints([2, 2]), output_padding: ints([1, 0]), pads: ints([1, 0, 1, 0]) },
  },
  { name: 'ConvTranspose', inputs: [seeded([3, 2, 3, 3])], attributes: { dilations: ints([2, 1]), group: int(3) } },
  { name: 'MaxPool', attributes: kernel, outputs: 2, types: ['float32', 'int64'] },
  { name: 'MaxPool', attributes: { ...kernel, strides: ints([2, 2]), ceil_mode: int(1) } },
  { name: 'MaxPool', attributes: { kernel_shape: ints([2, 2]), strides: ints([3, 3]), pads: ints([1, 1, 1, 1]), ceil_mode: int(1) } },
  { name: 'MaxPool', attributes: { kernel_shape: ints([1, 1]), strides: ints([3, 5]), ceil_mode: int(1) } },
  { name: 'AveragePool', attributes: { ...kernel, strides: ints([2, 3]), pads: ints([1, 1, 1, 1]), ceil_mode: int(1) } },
  { name: 'AveragePool', attributes: { ...kernel, auto_pad: string('SAME_UPPER'), strides: ints([3, 3]) } },
  { name: 'LpPool', attributes: kernel },
  { name: 'GlobalAveragePool' },
  { name: 'MatMul', inputs: [seeded([8, 5])] },
  { name: 'MatMul', inputs: [seeded([8])] },
  { name: 'MatMul', inputs: [seeded([3, 8, 5])] },
  { name: 'Gemm', shape: [4, 6], inputs: [seeded([5, 6]), seeded([5])], attributes: { transB: int(1) } },
  { name: 'Gemm', shape: [6, 4], inputs: [seeded([6, 5])], attributes: { transA: int(1) } },
  { name: 'Shape', types: ['int64'] },
  { name: 'Shape', attributes: { start: int(-2), end: int(-1) }, types: ['int64'] },
  { name: 'Size', types: ['int64'] },
  { name: 'Gather', inputs: [i64([2, 2], [0, 2, -1, 1])], attributes: { axis: int(1) } },
  { name: 'Gather', inputs: [i64([], [1])], attributes: { axis: int(-1) } },
  { name: 'GatherElements', inputs: [i64([1, 1, 2, 2], [0, 1, 0, 1])] },
  { name: 'Slice', inputs: [i64([2], [1, -3]), i64([2], [100, -1]), i64([2], [-1, 2])] },
  { name: 'Slice', inputs: [i64([1], [-1]), i64([1], [-100]), i64([1], [3]), i64([1], [-3])] },
  { name: 'Slice', inputs: [i64([1], [5]), i64([1], [2]), i64([1], [3])] },
  { name: 'Slice', opset: 9, attributes: { starts: ints([0, 1]), ends: ints([1, 3]) } },
  { name: 'Concat', inputs: ['x', seeded([2, 3, 8, 1])], attributes: { axis: int(-1) } },
  { name: 'Unsqueeze', inputs: [i64([2], [-1, 0])] },
  { name: 'Unsqueeze', opset: 11, attributes: { axes: ints([1, 2]) } },
  { name: 'Squeeze', shape: [1, 3, 1], inputs: [i64([1], [-1])] },
  { name: 'Squeeze', shape: [1, 3, 1] },
  { name: 'Reshape', inputs: [i64([3], [0, -1, 4])] },
  { name: 'Reshape', inputs: [i64([1], [-1])] },
  { name: 'Flatten', attributes: { axis: int(-1) } },
  { name: 'Flatten', attributes: { axis: int(0) } },
  { name: 'Transpose' },
  { name: 'Transpose', attributes: { perm: ints([0, 2, 3, 1]) } },
  { name: 'Split', attributes: { axis: int(2) }, outputs: 2 },
  { name: 'Split', inputs: [i64([3], [1, 5, 2])], attributes: { axis: int(3) }, outputs: 3 },
  { name: 'Pad', inputs: [i64([8], [0, 1, 0, -2, 0, 0, 3, 0])] },
  { name: 'Pad', opset: 10, attributes: { pads: ints([0, 0, 1, 0, 0, 0, 0, 2]) } },
  { name: 'Expand', inputs: [i64([5], [4, 1, 1, 8, 1])] },
  { name: 'Tile', inputs: [i64([4], [1, 2, 1, 3])] },
  { name: 'DepthToSpace', shape: [1, 8, 2, 3], attributes: { blocksize: int(2) } },
  { name: 'SpaceToDepth', attributes: { blocksize: int(2) } },
  { name: 'Resize', inputs: ['', f32([4], [1, 1, 1.3, 0.6])] },
  { name: 'Resize', inputs: ['', '', i64([4], [2, 3, 5, 9])] },
  { name: 'Upsample', opset: 9, inputs: [f32([4], [1, 1, 2.5, 1.9])] },
  ...['ReduceMean', 'ReduceMax', 'ReduceL2'].map(name => ({ name, attributes: { axes: ints([-1, 1]), keepdims: int(0) } })),
  { name: 'ReduceSum', inputs: [i64([2], [0, 3])] },
  { name: 'ReduceSum', attributes: { keepdims: int(0) } },
  { name: 'ReduceSum', attributes: { noop_with_empty_axes: int(1) } },
  { name: 'ReduceMean', opset: 18, inputs: [i64([1], [2])] },
  { name: 'ArgMax', attributes: { axis: int(-2) }, types: ['int64'] },
  { name: 'ArgMin', attributes: { keepdims: int(0) }, types: ['int64'] },
  { name: 'TopK', inputs: [i64([1], [2])], attributes: { axis: int(1) }, outputs: 2, types: ['float32', 'int64'] },
  { name: 'NonZero', types: ['int64'], open: true },
  { name: 'Compress', inputs: [{ dtype: 'bool', shape: [2], bytes: Uint8Array.of(1, 0) }], attributes: { axis: int(0) }, open: true },
  {
    name: 'LSTM',
    shape: [5, 2, 3],
    inputs: [seeded([2, 16, 3]), seeded([2, 16, 4])],
    attributes: { hidden_size: int(4), direction: string('bidirectional') },
    outputs: 3,
  },
  { name: 'GRU', shape: [5, 2, 3], inputs: [seeded([1, 12, 3]), seeded([1, 12, 4])], attributes: { hidden_size: int(4) }, outputs: 2 },
  { name: 'PRelu', inputs: [seeded([3, 1, 1])] },
  { name: 'LeakyRelu', attributes: { alpha: float(0.1) } },
]

/** Facts with one free size say no more than is true for any size: what they know is what the engine gives, and nearly all is known without it. */
test('types and sizes are those that the engine gives', async t => {
  for (const given of cases) {
    const { name, attributes = {}, inputs = [], shape = [2, 3, 8, 8], opset = 17, outputs = 1, types = [] } = given
    const title = `${name} ${opset} ${JSON.stringify(attributes)}`
    const names = Array.from({ length: outputs }, (_, index) => `y${index}`)
    const constants = Object.fromEntries(inputs.flatMap((input, index) => (typeof input === 'string' ? [] : [[`c${index}`, input]])))
    const reads = inputs.map((input, index) => (typeof input === 'string' ? input : `c${index}`))
    const model = buildModel({
      opset,
      inputs: { x: ['float32', shape] },
      outputs: Object.fromEntries(names.map((output, index): [string, Declared] => [output, [types[index] ?? 'float32']])),
      constants,
      nodes: [op(name, ['x', ...reads], names, attributes)],
    })
    const found = await runModel(model, { x: floats(shape) })
    const facts = inferFacts(model.graph, { opset, rules: factRules })
    model.graph.inputs = [{ name: 'x', dtype: 'float32', shape: ['N', ...shape.slice(1)] }]
    const free = inferFacts(model.graph, { opset, rules: factRules })
    for (const output of names) {
      const tensor = found[output]!
      if (given.open !== true) t.same(facts(output).shape, tensor.shape, `${title}: sizes of ${output}`)
      t.equal(facts(output).dtype, tensor.dtype, `${title}: type of ${output}`)
      t.ok(agrees(facts(output), tensor) && agrees(free(output), tensor), `${title}: what is known of ${output} is true`)
    }
  }
})

function agrees({ shape, values }: Facts, tensor: Tensor): boolean {
  const sizes =
    shape === undefined ||
    (shape.length === tensor.shape.length && shape.every((size, axis) => typeof size !== 'number' || size === tensor.shape[axis]))
  return sizes && (values?.every((value, index) => typeof value !== 'number' || value === Number(tensor.data[index])) ?? true)
}

test('a free size is followed by its name', async t => {
  const shapes = (nodes: Parameters<typeof buildModel>[0]['nodes'], constants: Record<string, ConstantTensor> = {}) => {
    const { graph } = buildModel({ inputs: { x: ['float32', ['N', 3, 8, 'W']] }, outputs: { y: ['float32'] }, nodes, constants })
    return inferFacts(graph, { opset: 17, rules: factRules })('y')
  }
  t.same(shapes([op('Relu', ['x'], 'y')]).shape, ['N', 3, 8, 'W'])
  t.same(shapes([op('Transpose', ['x'], 'y', { perm: ints([3, 0, 2, 1]) })]).shape, ['W', 'N', 8, 3])
  t.same(shapes([op('Reshape', ['x', 's'], 'y')], { s: i64([3], [0, 24, -1]) }).shape, ['N', 24, 'W'])
  t.same(shapes([op('Reshape', ['x', 's'], 'y')], { s: i64([3], [0, 12, -1]) }).shape, ['N', 12, undefined])
  t.same(shapes([op('Shape', ['x'], 'y')]).values, ['N', 3, 8, 'W'])
  t.same(shapes([op('Conv', ['x', 'w'], 'y')], { w: seeded([4, 3, 3, 3]) }).shape, ['N', 4, 6, undefined])
})

test('a model that contradicts itself gives no sizes, and no exception', async t => {
  const sizes = [-(2 ** 62), -1, 0, 1, 2 ** 31, 2 ** 62]
  for (const name of factRules.keys()) {
    for (const size of sizes) {
      const attributes = Object.fromEntries(
        ['axes', 'perm', 'pads', 'kernel_shape', 'strides', 'split', 'starts', 'ends'].map(key => [key, ints([size, 1])]),
      )
      const scalars = Object.fromEntries(
        ['axis', 'to', 'blocksize', 'group', 'k', 'start', 'end', 'hidden_size'].map(key => [key, int(size)]),
      )
      const { graph } = buildModel({
        inputs: { x: ['float32', ['N', 3]], v: ['int64', [2]] },
        outputs: { y: ['float32'] },
        constants: { c: i64([2], [size === 2 ** 62 ? 2 ** 52 : size, 1]) },
        nodes: [
          op(name, ['x', 'c', 'c', 'c'], ['a', 'b'], { ...attributes, ...scalars }),
          op(name, ['c', 'v'], 'y', scalars),
          op(name, [], 'z'),
        ],
      })
      const facts = inferFacts(graph, { opset: 17, rules: factRules })
      for (const value of ['a', 'b', 'y', 'z']) {
        const { shape = [] } = facts(value)
        t.ok(
          shape.length <= 64 && shape.every(each => typeof each !== 'number' || (Number.isSafeInteger(each) && each >= 0)),
          `${name} ${size}: ${value}`,
        )
      }
    }
  }
})

test('comparisons, logic and choice of short vectors are computed as the engine does', async t => {
  const constants = {
    a: i64([4], [1, -2, 3, 4]),
    b: i64([1], [3]),
    p: { dtype: 'bool', shape: [4], bytes: Uint8Array.of(1, 0, 1, 0) },
    q: { dtype: 'bool', shape: [4], bytes: Uint8Array.of(1, 1, 0, 0) },
  } as const
  const bool = ['bool'] as const
  const nodes = [
    ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'].map(name => op(name, ['a', 'b'], name)),
    ...['And', 'Or', 'Xor'].map(name => op(name, ['p', 'q'], name)),
    op('Not', ['p'], 'Not'),
    op('Where', ['p', 'a', 'b'], 'Where'),
    op('Cast', ['a'], 'Cast', { to: int(9) }),
    op('Cast', ['p'], 'Back', { to: int(7) }),
  ]
  const outputs = Object.fromEntries(
    nodes.map(({ name }): [string, Declared] => [name, ['Where', 'Back'].includes(name) ? ['int64'] : bool]),
  )
  const model = buildModel({ inputs: {}, outputs, constants, nodes })
  const found = await runModel(model, {})
  const facts = inferFacts(model.graph, { opset: 17, rules: factRules })
  for (const { name } of nodes) t.same(facts(name).values, [...found[name]!.data].map(Number), name)
})
