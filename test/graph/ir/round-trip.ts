import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { openvinoEngine } from '../../../src/engines/openvino/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import { readIr } from '../../../src/graph/ir/read.js'
import { writeIr } from '../../../src/graph/ir/write.js'
import { float, int, ints, makeNode, string } from '../../../src/graph/node.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { openvinoDomain } from '../../../src/graph/openvino-domain.js'
import { constant, constantData } from '../../../src/graph/tensor/tensor.js'
import { type BuildFields, buildModel, f32, i64, op, seeded, seededFloats } from '../../fixtures/graph-builder.js'
import { openvinoHere } from '../../fixtures/openvino.js'

const image = { inputs: { x: ['float32', [1, 4, 6, 6]] }, outputs: { y: ['float32'] } } as const
const steps = { inputs: { x: ['float32', [5, 2, 3]] }, outputs: { y: ['float32'] } } as const
const rows = { inputs: { x: ['float32', [2, 8]] }, outputs: { y: ['float32'] } } as const

/** One small model per translation; rank and shape of what they compute are declared by `shapes`. */
const cases: readonly (BuildFields & { readonly name: string; readonly shapes?: Readonly<Record<string, readonly number[]>> })[] = [
  {
    name: 'convolution with bias, pads and strides',
    ...image,
    constants: { w: seeded([5, 4, 3, 3]), b: seeded([5]) },
    nodes: [op('Conv', ['x', 'w', 'b'], 'y', { pads: ints([1, 0, 1, 2]), strides: ints([2, 1]) })],
  },
  {
    name: 'grouped convolution',
    ...image,
    constants: { w: seeded([4, 1, 3, 3]) },
    nodes: [op('Conv', ['x', 'w'], 'y', { group: int(4), pads: ints([1, 1, 1, 1]) })],
  },
  {
    name: 'transposed convolution',
    ...image,
    constants: { w: seeded([4, 3, 2, 2]), b: seeded([3]) },
    nodes: [op('ConvTranspose', ['x', 'w', 'b'], 'y', { strides: ints([2, 2]) })],
  },
  {
    name: 'gemm with transposed weights and a scaled bias',
    ...rows,
    constants: { w: seeded([3, 8]), b: seeded([3]) },
    nodes: [op('Gemm', ['x', 'w', 'b'], 'y', { transB: int(1), beta: float(0.5) })],
  },
  {
    name: 'activations',
    ...rows,
    constants: { low: f32([], [-0.2]), high: f32([], [0.3]), slope: f32([8], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]) },
    nodes: [
      op('HardSwish', ['x'], 'a'),
      op('Elu', ['a'], 'b', { alpha: float(0.7) }),
      op('LeakyRelu', ['b'], 'c', { alpha: float(0.2) }),
      op('PRelu', ['c', 'slope'], 'd'),
      op('HardSigmoid', ['d'], 'e', { alpha: float(0.3), beta: float(0.4) }),
      op('Clip', ['e', 'low', 'high'], 'f'),
      op('Erf', ['f'], 'y'),
    ],
    shapes: { c: [2, 8] },
  },
  {
    name: 'poolings',
    ...image,
    nodes: [
      op('MaxPool', ['x'], 'a', { kernel_shape: ints([2, 2]), strides: ints([1, 1]) }),
      op('AveragePool', ['a'], 'b', { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }),
      op('GlobalAveragePool', ['b'], 'y'),
    ],
    shapes: { b: [1, 4, 5, 5] },
  },
  {
    name: 'layer normalization and softmax',
    ...rows,
    constants: { scale: seeded([8]), bias: seeded([8], 2) },
    nodes: [op('LayerNormalization', ['x', 'scale', 'bias'], 'a', { axis: int(-1) }), op('Softmax', ['a'], 'y', { axis: int(-1) })],
  },
  {
    name: 'movement',
    ...image,
    constants: {
      starts: i64([1], [1]),
      ends: i64([1], [3]),
      axes: i64([1], [1]),
      pads: i64([8], [0, 0, 1, 0, 0, 0, 0, 2]),
      shape: i64([3], [2, -1, 6]),
    },
    nodes: [
      op('Slice', ['x', 'starts', 'ends', 'axes'], 'a'),
      op('Pad', ['a', 'pads'], 'b'),
      op('Transpose', ['b'], 'c', { perm: ints([0, 2, 3, 1]) }),
      op('Split', ['c'], ['d', 'e'], { axis: int(3) }),
      op('Concat', ['e', 'd'], 'f', { axis: int(3) }),
      op('Flatten', ['f'], 'y'),
    ],
  },
  {
    name: 'resize by nearest neighbours',
    ...image,
    constants: { scales: f32([4], [1, 1, 2, 2]) },
    nodes: [
      op('Resize', ['x', '', 'scales'], 'y', {
        mode: string('nearest'),
        coordinate_transformation_mode: string('asymmetric'),
        nearest_mode: string('floor'),
      }),
    ],
  },
  {
    name: 'gated recurrence with its own bias before the reset',
    ...steps,
    constants: { w: seeded([1, 12, 3]), r: seeded([1, 12, 4], 2), b: seeded([1, 24], 3) },
    nodes: [op('GRU', ['x', 'w', 'r', 'b'], 'y', { hidden_size: int(4), linear_before_reset: int(1) })],
  },
  {
    name: 'gated recurrence and long short-term memory in both directions',
    ...steps,
    constants: {
      w: seeded([1, 12, 3]),
      r: seeded([1, 12, 4], 2),
      b: seeded([1, 24], 3),
      axes: i64([1], [1]),
      w2: seeded([2, 8, 4], 4),
      r2: seeded([2, 8, 2], 5),
      b2: seeded([2, 16], 6),
    },
    nodes: [
      op('GRU', ['x', 'w', 'r', 'b'], 'a', { hidden_size: int(4) }),
      op('Squeeze', ['a', 'axes'], 'c'),
      op('LSTM', ['c', 'w2', 'r2', 'b2'], 'y', { hidden_size: int(2), direction: string('bidirectional') }),
    ],
    shapes: { c: [5, 2, 4] },
  },
  {
    name: 'gather, sums and means',
    ...rows,
    constants: { at: i64([2], [1, 0]), axes: i64([1], [1]) },
    nodes: [
      op('Gather', ['x', 'at'], 'a', { axis: int(0) }),
      op('ReduceSum', ['a', 'axes'], 'b', { keepdims: int(1) }),
      op('ReduceMean', ['a'], 'c', { axes: ints([1]), keepdims: int(1) }),
      op('Sub', ['b', 'c'], 'y'),
    ],
  },
]

const modelOf = ({ shapes = {}, ...fields }: (typeof cases)[number]): { model: Model; shapes: ReadonlyMap<string, readonly number[]> } => {
  const model = buildModel(fields)
  const inputs = model.graph.inputs.map(({ name, shape }) => [name, shape as readonly number[]] as const)
  return { model, shapes: new Map([...inputs, ...Object.entries(shapes)]) }
}

const feedOf = ({ graph }: Model) => {
  const shape = graph.inputs[0]!.shape as readonly number[]
  return { x: { dtype: 'float32', shape, data: seededFloats(shape.reduce((a, b) => a * b, 1)) } } as const
}

async function answers(t: Test, model: Model): Promise<Float32Array> {
  const session = await onnxruntimeEngine.open(writeModel(model), { threads: 1, optimization: 'disabled' })
  t.teardown(() => session.close())
  return (await session.infer(feedOf(model))).y!.data as Float32Array
}

test('a model that is written and read again computes the same, under the same names', async t => {
  for (const one of cases) {
    const { model, shapes } = modelOf(one)
    const again = readIr(writeIr(model, { shapes }))
    t.strictSame(
      again.graph.nodes.filter(({ domain }) => domain !== '').map(({ opType }) => opType),
      [],
      `${one.name}: every layer has an ONNX form`,
    )
    t.strictSame(
      [...again.graph.inputs, ...again.graph.outputs].map(({ name }) => name),
      ['x', 'y'],
      one.name,
    )
    const [wanted, found] = [await answers(t, model), await answers(t, again)]
    t.equal(found.length, wanted.length, one.name)
    t.ok(
      wanted.every((value, index) => Math.abs(value - found[index]!) < 1e-5),
      one.name,
    )
  }
})

test('OpenVINO computes what is written as ONNX Runtime computes the model', {
  skip: openvinoHere === undefined && 'OpenVINO is not on this host: install it and set OPENVINO_DIR (.ci/run does)',
}, async t => {
  const folder = t.testdir()
  for (const one of cases) {
    const { model, shapes } = modelOf(one)
    const { xml, bin } = writeIr(model, { shapes })
    const path = join(folder, `${one.name.replaceAll(' ', '-')}.xml`)
    writeFileSync(path, xml)
    writeFileSync(path.replace(/xml$/, 'bin'), bin)
    const session = await openvinoEngine.open(path, { threads: 1 })
    const { y } = await session.infer(feedOf(model))
    await session.close()
    const wanted = await answers(t, model)
    t.ok(
      wanted.every((value, index) => Math.abs(value - (y!.data as Float32Array)[index]!) < 1e-4),
      one.name,
    )
  }
})

test('FakeQuantize and compressed weights keep their numbers through a round trip', async t => {
  const model = buildModel({
    ...rows,
    constants: {
      low: f32([], [-1]),
      high: f32([], [0.984375]),
      codes: constant(
        'int8',
        [8, 3],
        Int8Array.from(seededFloats(24), value => Math.round(value * 127)),
      ),
      scale: f32([3], [0.01, 0.02, 0.03]),
    },
    nodes: [
      makeNode({
        name: 'fq',
        domain: openvinoDomain,
        opType: 'FakeQuantize',
        inputs: ['x', 'low', 'high', 'low', 'high'],
        outputs: ['xq'],
        attributes: { levels: int(256) },
      }),
      op('DequantizeLinear', ['codes', 'scale'], 'w', { axis: int(1) }),
      op('MatMul', ['xq', 'w'], 'y'),
    ],
  })
  const { xml, bin } = writeIr(model)
  t.match(xml, /type="FakeQuantize"[\s\S]*levels="256"/)
  const { graph } = readIr({ xml, bin })
  t.strictSame(
    graph.nodes.map(({ opType }) => opType),
    ['FakeQuantize', 'DequantizeLinear', 'MatMul'],
  )
  const weights = graph.nodes[1]!
  t.strictSame([...graph.constant(weights.inputs[0]!)!.bytes], [...model.graph.constant('codes')!.bytes])
  t.strictSame([...(constantData(graph.constant(weights.inputs[1]!)!) as Float32Array)], [...Float32Array.of(0.01, 0.02, 0.03)])
  const typesOf = (text: string) => text.match(/type="\w+"/g)?.sort()
  t.strictSame(typesOf(writeIr({ irVersion: 8, opsets: new Map([['', 17]]), graph }).xml), typesOf(xml))
})

test('layers that ONNX does not have pass through with everything they hold', async t => {
  const xml = `<?xml version="1.0"?><net name="n" version="10"><layers>
    <layer id="0" name="in" type="Parameter" version="opset1"><data shape="1,3" element_type="f32"/><output><port id="0" precision="FP32"><dim>1</dim><dim>3</dim></port></output></layer>
    <layer id="7" name="odd" type="SomethingNew" version="opset99"><data depth="3" names="a,b"/><rt_info><attribute name="x" version="0" value="y"/></rt_info>
      <input><port id="0"><dim>1</dim><dim>3</dim></port></input><output><port id="1" precision="FP32"><dim>1</dim><dim>3</dim></port></output></layer>
    <layer id="9" name="out" type="Result" version="opset1"><input><port id="0"><dim>1</dim><dim>3</dim></port></input></layer>
  </layers><edges><edge from-layer="0" from-port="0" to-layer="7" to-port="0"/><edge from-layer="7" from-port="1" to-layer="9" to-port="0"/></edges></net>`
  const model = readIr({ xml, bin: new Uint8Array() })
  t.match(model.graph.nodes, [{ opType: 'SomethingNew', domain: openvinoDomain, inputs: ['in'], outputs: ['odd'] }])
  const written = writeIr(model).xml
  t.match(written, /type="SomethingNew" version="opset99"/)
  t.match(written, /<data depth="3" names="a,b"\/>/)
  t.match(written, /<attribute name="x" version="0" value="y"\/>/)
})

test('files that are no IR are refused with what is wrong', async t => {
  const constantOf = (data: string) =>
    `<net version="11"><layers><layer id="0" name="c" type="Const" version="opset1"><data ${data}/><output><port id="0" precision="FP32"/></output></layer></layers><edges/></net>`
  const wrong: readonly [string, RegExp][] = [
    ['no xml <', /no <net>|no XML/],
    ['<other/>', /no <net>/],
    ['<net version="7"><layers/><edges/></net>', /version 7: expected 10 or 11/],
    [constantOf('element_type="f32" shape="4" offset="0" size="16"'), /bytes 0 to 16 of a \.bin of 4/],
    [constantOf('element_type="f32" shape="4" offset="0" size="4"'), /4 bytes for shape \[4\] of float32, expected 16/],
    [constantOf('element_type="u1" shape="4" offset="0" size="4"'), /element type u1/],
    [
      '<net version="11"><layers><layer id="0" name="r" type="Result" version="opset1"><input><port id="0"/></input></layer></layers><edges/></net>',
      /nothing reaches its input 0/,
    ],
    [
      '<net version="11"><layers><layer id="0" name="a" type="ReLU"><input><port id="0"/></input><output><port id="1"/></output></layer></layers><edges><edge from-layer="0" from-port="1" to-layer="0" to-port="0"/></edges></net>',
      /cycle/,
    ],
  ]
  for (const [xml, message] of wrong) {
    t.throws(() => readIr({ xml, bin: new Uint8Array(4) }), { code: 'ERR_IR_READ', message }, String(message))
  }
})

test('what has no IR form is refused by the name of its node', async t => {
  const model = buildModel({ ...rows, nodes: [op('Cumulate', ['x'], 'y')] })
  t.throws(() => writeIr(model), { code: 'ERR_IR_OP', message: /'y' \(Cumulate\)/ })
  const pooled = buildModel({ ...image, nodes: [op('MaxPool', ['x'], ['y', 'i'], { kernel_shape: ints([2, 2]) })] })
  t.throws(() => writeIr(pooled), { code: 'ERR_IR_OP', message: /indices/ })
})
