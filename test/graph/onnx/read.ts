import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { TensorProto_DataType as DataType, type GraphProtoSchema, ModelProtoSchema } from '../../../src/graph/onnx/generated/onnx_pb.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'

type GraphFields = MessageInitShape<typeof GraphProtoSchema>
const encode = (graph: GraphFields, opset = 17n) =>
  toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ version: opset }], graph: { name: 'g', ...graph } }))
const relu = { opType: 'Relu', input: ['x'], output: ['y'] }
const x = { input: [{ name: 'x' }], output: [{ name: 'y' }] }

test('constants are views over the bytes of the file', async t => {
  const bytes = writeModel(
    buildModel({ inputs: {}, outputs: { y: ['float32'] }, constants: { w: seeded([64]) }, nodes: [op('Relu', ['w'], 'y')] }),
  )
  t.equal(readModel(bytes).graph.constant('w')!.bytes.buffer, bytes.buffer)
})

test('each way to be no model has its code, and names the place', async t => {
  const tensor = (fields: object) =>
    encode({ ...x, node: [relu], initializer: [{ name: 'w', dims: [2n], dataType: DataType.FLOAT, ...fields }] })
  const cases: [string, Uint8Array, { code: string; [key: string]: unknown }][] = [
    ['empty', new Uint8Array(), { code: 'ERR_ONNX_MODEL' }],
    ['text', new TextEncoder().encode('this is no model, it is text'), { code: 'ERR_ONNX_WIRE' }],
    [
      'no opset',
      toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: { node: [{ ...relu, input: [] }] } })),
      { code: 'ERR_ONNX_OPSET' },
    ],
    ['opset 6', encode({ ...x, node: [relu] }, 6n), { code: 'ERR_ONNX_OPSET', details: { opset: 6 } }],
    ['opset 24', encode({ ...x, node: [relu] }, 24n), { code: 'ERR_ONNX_OPSET', details: { opset: 24 } }],
    ['short data', tensor({ rawData: new Uint8Array(7) }), { code: 'ERR_ONNX_TENSOR', message: /'w'.*7 bytes.*\[2\].*8/ }],
    ['no data', tensor({}), { code: 'ERR_ONNX_TENSOR' }],
    ['typed data too short', tensor({ floatData: [1] }), { code: 'ERR_ONNX_TENSOR' }],
    ['negative size', tensor({ dims: [-2n], rawData: new Uint8Array(8) }), { code: 'ERR_ONNX_TENSOR' }],
    ['huge size', tensor({ dims: [9223372036854775807n], rawData: new Uint8Array(8) }), { code: 'ERR_ONNX_TENSOR' }],
    ['huge product', tensor({ dims: [4294967296n, 4294967296n], rawData: new Uint8Array(8) }), { code: 'ERR_ONNX_TENSOR' }],
    ['nameless constant', encode({ initializer: [{ dims: [0n], dataType: 1 }] }), { code: 'ERR_ONNX_MODEL' }],
    [
      'constant twice',
      encode({ initializer: ['w', 'w'].map(name => ({ name, dims: [0n], dataType: 1 })) }),
      { code: 'ERR_GRAPH_PRODUCER' },
    ],
    ['no operator', encode({ ...x, node: [{ ...relu, opType: '' }] }), { code: 'ERR_ONNX_MODEL' }],
    ['no result', encode({ ...x, node: [relu, { ...relu, output: [] }] }), { code: 'ERR_ONNX_MODEL' }],
    [
      'attribute twice',
      encode({
        ...x,
        node: [
          {
            ...relu,
            attribute: [
              { name: 'a', i: 1n },
              { name: 'a', i: 1n },
            ],
          },
        ],
      }),
      { code: 'ERR_ONNX_ATTRIBUTE' },
    ],
    [
      'attribute without graph',
      encode({ ...x, node: [{ ...relu, name: 'n', attribute: [{ name: 'a', type: 5 }] }] }),
      { code: 'ERR_ONNX_ATTRIBUTE', details: { node: 'n' } },
    ],
    ['two producers', encode({ ...x, node: [relu, relu] }), { code: 'ERR_GRAPH_PRODUCER' }],
    ['missing input', encode({ ...x, node: [{ ...relu, input: ['z'] }] }), { code: 'ERR_GRAPH_INPUT', details: { value: 'z' } }],
    ['missing output', encode({ ...x, node: [] }), { code: 'ERR_GRAPH_OUTPUT' }],
    [
      'cycle',
      encode({
        ...x,
        node: [
          { opType: 'Add', input: ['x', 'b'], output: ['a'] },
          { opType: 'Neg', input: ['a'], output: ['b'] },
          { opType: 'Neg', input: ['b'], output: ['y'] },
        ],
      }),
      { code: 'ERR_GRAPH_CYCLE' },
    ],
  ]
  for (const [title, bytes, expected] of cases) t.throws(() => readModel(bytes), expected, title)
})

test('a file that ends early names the byte, wherever it ends', async t => {
  const whole = encode({ ...x, node: [relu], initializer: [{ name: 'w', dims: [4n], dataType: 1, rawData: new Uint8Array(16) }] })
  for (let length = 1; length < whole.byteLength; length += 1) {
    t.throws(() => readModel(whole.subarray(0, length)), { code: /^ERR_(ONNX|GRAPH)_/ }, `${length} bytes`)
  }
  t.throws(() => readModel(whole.subarray(0, whole.byteLength - 1)), { code: 'ERR_ONNX_WIRE', details: { byte: Number } })
})

test('names that are not UTF-8 are refused with their byte', async t => {
  const bytes = encode({ ...x, node: [relu] })
  const at = Buffer.from(bytes).indexOf('Relu')
  bytes[at] = 0xff
  t.throws(() => readModel(bytes), { code: 'ERR_ONNX_WIRE', details: { byte: at } })
})

test('subgraphs nested beyond reason are refused before they are decoded', async t => {
  let graph: GraphFields = { name: 'g', node: [relu] }
  for (let depth = 0; depth < 40; depth += 1)
    graph = { name: 'g', node: [{ opType: 'If', input: ['x'], output: ['y'], attribute: [{ name: 'b', type: 5, g: graph }] }] }
  t.throws(() => readModel(encode({ ...x, ...graph })), { code: 'ERR_ONNX_LIMIT', details: { what: 'depth' } })
})

test('counts beyond the limits are refused before anything is decoded', async t => {
  const bytes = encode({ ...x, node: Array.from({ length: 100 }, (_, i) => ({ ...relu, output: [i === 0 ? 'y' : `y${i}`] })) })
  const limits = { depth: 90, messages: 1000, texts: 1000, floats: 100, integers: 100 }
  t.doesNotThrow(() => readModel(bytes, { limits }))
  t.throws(() => readModel(bytes, { limits: { ...limits, messages: 90 } }), { code: 'ERR_ONNX_LIMIT', details: { what: 'messages' } })
  t.throws(() => readModel(bytes, { limits: { ...limits, texts: 200 } }), { code: 'ERR_ONNX_LIMIT', details: { what: 'texts' } })
  const data = encode({
    ...x,
    node: [relu],
    initializer: [{ name: 'w', dims: [101n], dataType: 7, int64Data: Array.from({ length: 101 }, () => 1n) }],
  })
  t.throws(() => readModel(data, { limits }), { code: 'ERR_ONNX_LIMIT', details: { what: 'integers' } })
})

test('nodes out of order are put in order, unnamed and repeated names are made unique', async t => {
  const node = [
    { opType: 'Neg', input: ['a'], output: ['y'], name: 'n' },
    { opType: 'Relu', input: ['x'], output: ['a'], name: 'n' },
    { opType: 'Relu', input: ['x'], output: ['b'] },
  ]
  const { graph } = readModel(encode({ ...x, node }))
  t.same(
    graph.nodes.map(({ opType }) => opType),
    ['Relu', 'Neg', 'Relu'],
  )
  t.equal(new Set(graph.nodes.map(({ name }) => name)).size, 3)
})

test('dynamic sizes of every spelling are read', async t => {
  const size = (value: bigint) => ({ value: { case: 'dimValue' as const, value } })
  const dim = [size(-1n), { value: { case: 'dimParam' as const, value: 'N' } }, {}, size(3n)]
  const input = [{ name: 'x', type: { value: { case: 'tensorType' as const, value: { elemType: 1, shape: { dim } } } } }]
  const { graph } = readModel(encode({ node: [relu], input, output: [{ name: 'y' }] }))
  t.same(graph.inputs[0]!.shape, [undefined, 'N', undefined, 3])
  t.same(graph.outputs[0]!.shape, undefined)
})

test('nodes of other domains and a model without ai.onnx pass', async t => {
  const bytes = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      opsetImport: [{ domain: 'com.example', version: 99n }],
      graph: { ...x, node: [{ ...relu, domain: 'com.example' }] },
    }),
  )
  t.equal(readModel(bytes).opsets.get('com.example'), 99)
})
