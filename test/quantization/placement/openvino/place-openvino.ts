import { test } from 'tap'
import { onnxruntimeEngine } from '../../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../../src/graph/graph.js'
import { int, ints } from '../../../../src/graph/node.js'
import type { DeviceSpec } from '../../../../src/hardware/device-spec.js'
import { loadDeviceSpecs } from '../../../../src/hardware/match.js'
import { placeOpenvino } from '../../../../src/quantization/placement/openvino/place-openvino.js'
import type { Placement } from '../../../../src/quantization/placement/placement.js'
import { measureShapes } from '../../../../src/quantization/statistics/measure-shapes.js'
import { buildModel, f32, floats, i64, op, seeded } from '../../../fixtures/graph-builder.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs, squeezeNet } from '../../../fixtures/quantization/small-models.js'

const specs = new Map((await loadDeviceSpecs()).map(spec => [spec.name, spec]))

interface PlacedOptions {
  readonly spec?: string
  readonly keepFloat?: ReadonlyMap<string, string>
  readonly change?: (spec: DeviceSpec) => DeviceSpec
}

async function placed(model: Model, { spec = 'openvino-cpu', keepFloat = new Map(), change = same => same }: PlacedOptions = {}) {
  const feeds = Object.fromEntries(
    model.graph.inputs.map(({ name, shape }) => [
      name,
      floats(
        shape!.map(size => (typeof size === 'number' ? size : 1)),
        1,
      ),
    ]),
  )
  const [shapes] = await measureShapes({ model, feeds: [feeds], engine: onnxruntimeEngine })
  return placeOpenvino({ graph: model.graph, shapes: shapes!, keepFloat, spec: change(specs.get(spec)!) })
}

/** Every operator's fate, then every quantizer with who shares it. */
function printed({ layers, quantizers }: Placement): string {
  const fates = layers.map(
    ({ node, state, reason }) => `${state.padEnd(8)}${node.opType} ${node.name}${state === 'float' ? `: ${reason}` : ''}`,
  )
  const places = [...quantizers.values()].map(({ value, root, modes, group, axis, fixed }) =>
    [
      `> ${value}`,
      ...(root === value ? [] : [`as ${root}`]),
      ...(fixed === undefined ? [(modes ?? []).join('|')] : ['0..1']),
      ...(axis === undefined ? [] : [`per channel ${axis}`]),
      ...(group === undefined ? [] : [`with ${group.join(' ')}`]),
    ].join(' '),
  )
  return `\n${[...fates, '', ...places].join('\n')}\n`
}

const windowed = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) }
const image = ['float32', [1, 4, 8, 8]] as const

test('of a residual sum the convolution stays whole, the skip carries the quantizer', async t => {
  t.equal(
    printed(await placed(residualNet())),
    `
int8    Conv c1
float   Relu r1: computed in float inside the operator before it
int8    Conv c2
int8    Add s
float   Relu r2: computed in float inside the operator before it
int8    GlobalAveragePool p
codes   Flatten f
int8    Gemm y

> x symmetric|asymmetric
> r1 symmetric|asymmetric
> r2 symmetric|asymmetric
> p symmetric|asymmetric
> f as p symmetric|asymmetric
`,
  )
})

test('of two convolutions that are summed the one computed last stays whole', async t => {
  const model = buildModel({
    inputs: { x: image },
    outputs: { y: ['float32', [1, 4, 8, 8]] },
    constants: { wa: seeded([4, 4, 1, 1], 1), wb: seeded([4, 4, 3, 3], 2), wc: seeded([4, 4, 1, 1], 3) },
    nodes: [
      op('Conv', ['x', 'wa'], 'skip'),
      op('Conv', ['x', 'wb'], 'main', windowed),
      op('Add', ['skip', 'main'], 'sum'),
      op('Conv', ['sum', 'wc'], 'y'),
    ],
  })
  const { quantizers, units } = await placed(model)
  t.same([...quantizers.keys()], ['x', 'skip', 'sum'])
  t.same([...units.values()].find(({ main }) => main.opType === 'Add')!.data, ['skip'])
})

test('the gate of a squeeze-excite block stays float, what it scales and its last product do not', async t => {
  const { layers, quantizers } = await placed(squeezeNet())
  const states = Object.fromEntries(layers.map(({ node, state }) => [node.name, state]))
  t.match(states, { c1: 'int8', p: 'int8', a: 'float', b: 'float', g: 'float', m: 'int8', y: 'int8' })
  t.same([...quantizers.keys()], ['x', 'r1', 'g', 'm'])
})

test('an attention: scores from symmetric codes, its weights and what they mix in float', async t => {
  const { layers, quantizers } = await placed(attentionNet())
  const states = Object.fromEntries(layers.map(({ node, state }) => [node.name, state]))
  t.match(states, {
    qm: 'int8',
    km: 'int8',
    vm: 'int8',
    scores: 'int8',
    mixed: 'float',
    om: 'int8',
    sum: 'float',
    qt: 'codes',
    vt: 'float',
  })
  t.same(
    [...quantizers.values()].filter(({ root, value }) => root === value).map(({ value }) => value),
    ['x', 'qb', 'kb', 'mixed'],
  )
  t.same(quantizers.get('qb')!.modes, ['symmetric'])
  t.equal(quantizers.get('kt')!.root, 'kb', 'through Reshape and Transpose')
})

test('readers that take floats keep the value float beside its quantizer: nothing moves up past them', async t => {
  const model = buildModel({
    inputs: { x: image },
    outputs: { y: ['float32'], z: ['float32'] },
    constants: { wa: seeded([4, 4, 1, 1], 1), wb: seeded([4, 4, 1, 1], 2) },
    nodes: [
      op('Conv', ['x', 'wa'], 'c'),
      op('MaxPool', ['c'], 'pooled', { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
      op('Conv', ['pooled', 'wb'], 'y'),
      op('Softmax', ['pooled'], 'z', { axis: int(1) }),
    ],
  })
  const { quantizers, layers } = await placed(model)
  t.same([...quantizers.keys()], ['x', 'pooled'])
  t.match(
    layers.find(({ node }) => node.name === 'pooled'),
    { state: 'float', reason: /not all readers/ },
  )
  model.graph.removeNodes([model.graph.producer('z')!])
  model.graph.setOutputs(model.graph.outputs.slice(0, 1))
  t.same([...(await placed(model)).quantizers.keys()], ['x', 'c', 'pooled'], 'without the float reader it moves')
})

/** Two convolutions whose results a third one reads as one tensor; one of them also feeds a sum. */
const concatNet = (last: 'Conv' | 'Relu'): Model =>
  buildModel({
    inputs: { x: image },
    outputs: { y: ['float32'] },
    constants: { wa: seeded([4, 4, 1, 1], 1), wb: seeded([2, 4, 1, 1], 2), wc: seeded([3, 6, 1, 1], 3) },
    nodes: [
      op('Conv', ['x', 'wa'], 'a'),
      op('Conv', ['a', 'wb'], 'b'),
      op('Concat', ['a', 'b'], 'joined', { axis: int(1) }),
      last === 'Conv' ? op('Conv', ['joined', 'wc'], 'y') : op('Relu', ['joined'], 'y'),
    ],
  })

test('inputs of a Concat that a convolution reads share one range, where the device unifies them', async t => {
  const { quantizers, layers } = await placed(concatNet('Conv'))
  t.same(quantizers.get('a')!.group, ['a', 'b'])
  t.same(quantizers.get('b')!.group, ['a', 'b'])
  t.equal(layers.find(({ node }) => node.opType === 'Concat')!.state, 'codes')
  const apart = await placed(concatNet('Conv'), { change: spec => ({ ...spec, unify: [] }) })
  t.same([...apart.quantizers.keys()], ['x', 'a', 'joined'], 'elsewhere the quantizer stays behind it')
  t.same([...(await placed(concatNet('Relu'))).quantizers.keys()], ['x', 'a'], 'and nothing is quantized for a reader of floats')
})

test('operands of an elementwise operator share one range on a device that asks for it', async t => {
  const model = buildModel({
    inputs: { x: image },
    outputs: { y: ['float32'] },
    constants: { wa: seeded([4, 4, 1, 1], 1), wb: seeded([4, 4, 1, 1], 2), wc: seeded([3, 4, 1, 1], 3) },
    nodes: [
      op('Conv', ['x', 'wa'], 'a'),
      op('Relu', ['a'], 'ra'),
      op('Conv', ['ra', 'wb'], 'b'),
      op('Relu', ['b'], 'rb'),
      op('MaxPool', ['rb'], 'pb', { kernel_shape: ints([1, 1]) }),
      op('Mul', ['ra', 'pb'], 'm'),
      op('Conv', ['m', 'wc'], 'y'),
    ],
  })
  t.same((await placed(model, { spec: 'openvino-npu' })).quantizers.get('ra')!.group, ['ra', 'rb'])
  t.equal((await placed(model)).quantizers.get('ra')!.group, undefined)
})

test('a depthwise convolution alone reads a range per channel, where the device says so first', async t => {
  const npu = await placed(depthwiseNet(), { spec: 'openvino-npu' })
  t.match(npu.quantizers.get('a'), { axis: 1, modes: ['symmetric'] })
  t.equal((await placed(depthwiseNet(), { spec: 'openvino-gpu' })).quantizers.get('a')!.axis, undefined)
})

test('scale and shift, activations in pieces and positions are no places for quantizers', async t => {
  const model = buildModel({
    inputs: { x: image, p: ['float32', [1, 4]] },
    outputs: { y: ['float32'], c: ['float32'], s: ['float32'] },
    constants: {
      wa: seeded([4, 4, 1, 1], 1),
      wb: seeded([4, 4, 1, 1], 2),
      wp: seeded([4, 4], 3),
      half: f32([1], [0.5]),
      one: f32([1], [1]),
      root: f32([1], [Math.SQRT2]),
    },
    nodes: [
      op('Conv', ['x', 'wa'], 'a'),
      op('Div', ['a', 'root'], 'd'),
      op('Erf', ['d'], 'e'),
      op('Add', ['e', 'one'], 'e1'),
      op('Mul', ['a', 'half'], 'h'),
      op('Mul', ['h', 'e1'], 'gelu'),
      op('Conv', ['gelu', 'wb'], 'b'),
      op('Sigmoid', ['b'], 'g'),
      op('Mul', ['b', 'g'], 'swish'),
      op('Conv', ['swish', 'wb'], 'y'),
      op('MatMul', ['p', 'wp'], 'angle'),
      op('Cos', ['angle'], 'c'),
      op('Sin', ['angle'], 's'),
    ],
  })
  const { quantizers, layers } = await placed(model)
  t.same([...quantizers.keys()], ['x', 'gelu', 'swish'])
  t.match(
    layers.find(({ node }) => node.name === 'angle'),
    { state: 'float', reason: /positional/ },
  )
})

test('quantizers move through a channel shuffle', async t => {
  const model = buildModel({
    inputs: { x: image },
    outputs: { y: ['float32'] },
    constants: {
      wa: seeded([4, 4, 1, 1], 1),
      wb: seeded([4, 4, 1, 1], 2),
      parted: i64([5], [1, 2, 2, 8, 8]),
      whole: i64([4], [1, 4, 8, 8]),
    },
    nodes: [
      op('Conv', ['x', 'wa'], 'a'),
      op('Reshape', ['a', 'parted'], 'r'),
      op('Transpose', ['r'], 't', { perm: ints([0, 2, 1, 3, 4]) }),
      op('Reshape', ['t', 'whole'], 's'),
      op('Conv', ['s', 'wb'], 'y'),
    ],
  })
  const { quantizers } = await placed(model)
  t.same(
    [...quantizers.values()].map(({ value, root }) => [value, root]),
    [
      ['x', 'x'],
      ['a', 'a'],
      ['r', 'a'],
      ['t', 'a'],
      ['s', 'a'],
    ],
  )
})

test('a layer that is kept float takes the quantizers of its inputs with it, and gives its reason', async t => {
  const { quantizers, layers } = await placed(residualNet(), { keepFloat: new Map([['c2', 'because']]) })
  t.match(
    layers.find(({ node }) => node.name === 'c2'),
    { state: 'float', reason: 'because' },
  )
  t.ok(quantizers.has('c2'), 'its result enters the sum as codes like any other float')
})

test('a transposed convolution is quantized, a recurrent layer is float with the reason', async t => {
  const transposed = buildModel({
    inputs: { x: image },
    outputs: { y: ['float32'] },
    constants: { w: seeded([4, 3, 2, 2], 1) },
    nodes: [op('ConvTranspose', ['x', 'w'], 'y', { strides: ints([2, 2]) })],
  })
  t.match((await placed(transposed)).layers, [{ state: 'int8' }])
  t.match((await placed(transposed, { spec: 'fpga' })).layers, [{ state: 'float', reason: 'the device takes no int8 ConvTranspose' }])
  const recurrent = buildModel({
    inputs: { x: ['float32', [5, 1, 3]] },
    outputs: { y: ['float32'] },
    constants: { w: seeded([1, 6, 3], 1), r: seeded([1, 6, 2], 2) },
    nodes: [op('GRU', ['x', 'w', 'r'], 'y', { hidden_size: int(2) })],
  })
  t.match((await placed(recurrent)).layers, [{ state: 'float', reason: /no int8 GRU/ }])
})

test('a quantizer that the model brought along stays on both operands of a sum', async t => {
  const model = residualNet()
  const [shapes] = await measureShapes({ model, feeds: [seededInputs(model, 1)[0]!], engine: onnxruntimeEngine })
  const learnt = { scale: 0.1, zeroPoint: 3 }
  const given = { activations: new Map([['c2', learnt]]), weights: new Map() }
  const { quantizers } = placeOpenvino({
    graph: model.graph,
    shapes: shapes!,
    keepFloat: new Map(),
    spec: specs.get('openvino-cpu')!,
    given,
  })
  t.match(quantizers.get('c2'), { fixed: learnt, given: true })
  t.notOk(quantizers.get('r1')!.given)
})
