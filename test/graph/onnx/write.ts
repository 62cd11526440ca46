import { create, createRegistry, equals, fromBinary, toBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { int, makeNode } from '../../../src/graph/node.js'
import {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  file_onnx,
  type ModelProto,
  ModelProtoSchema,
} from '../../../src/graph/onnx/generated/onnx_pb.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { buildModel, f32, floats, op, runModel } from '../../fixtures/graph-builder.js'

const text = (value: string) => new TextEncoder().encode(value)

/** One of everything that `Node`, `Graph` and `Model` do not know. */
function oddModel(): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: 9n,
    producerName: 'someone',
    producerVersion: '1.2',
    domain: 'here',
    modelVersion: 7n,
    docString: 'a model',
    opsetImport: [
      { domain: 'ai.onnx', version: 17n },
      { domain: 'local', version: 1n },
      { domain: 'com.example', version: 3n },
    ],
    metadataProps: [{ key: 'k', value: 'v' }],
    trainingInfo: [{ algorithm: { name: 'step' } }],
    functions: [
      { name: 'Twice', domain: 'local', input: ['a'], output: ['b'], node: [{ opType: 'Add', input: ['a', 'a'], output: ['b'] }] },
    ],
    graph: {
      name: 'odd',
      docString: 'doc',
      metadataProps: [{ key: 'graph', value: 'g' }],
      quantizationAnnotation: [{ tensorName: 'x', quantParameterTensorNames: [{ key: 'SCALE_TENSOR', value: 'w' }] }],
      input: [
        {
          name: 'w',
          type: { value: { case: 'tensorType', value: { elemType: 1, shape: { dim: [{ value: { case: 'dimValue', value: 2n } }] } } } },
        },
        {
          name: 'x',
          docString: 'the input',
          type: { denotation: 'IMAGE', value: { case: 'tensorType', value: { elemType: 1, shape: { dim: [{ denotation: 'BATCH' }] } } } },
        },
        {
          name: 'seq',
          type: { value: { case: 'sequenceType', value: { elemType: { value: { case: 'tensorType', value: { elemType: 1 } } } } } },
        },
      ],
      output: [{ name: 'y' }],
      valueInfo: [{ name: 's', metadataProps: [{ key: 'a', value: 'b' }] }],
      initializer: [
        { name: 'odd6', dims: [3n], dataType: DataType.FLOAT6E2M3, rawData: new Uint8Array([1, 2, 3]) },
        {
          name: 'w',
          dims: [2n],
          dataType: DataType.FLOAT,
          rawData: new Uint8Array(8),
          docString: 'weights',
          metadataProps: [{ key: 'm', value: '1' }],
        },
        { name: 'words', dims: [2n], dataType: DataType.STRING, stringData: [text('a'), new Uint8Array([0xff, 0xfe])] },
        { name: 'nibbles', dims: [3n], dataType: DataType.INT4, rawData: new Uint8Array([0x21, 0x03]) },
        { name: 'future', dims: [1n], dataType: 99, int32Data: [5] },
        { name: 'none', dims: [0n], dataType: DataType.INT64 },
      ],
      sparseInitializer: [
        {
          dims: [4n],
          values: { name: 'sparse', dims: [1n], dataType: 1, rawData: new Uint8Array(4) },
          indices: { dims: [1n], dataType: 7, rawData: new Uint8Array(8) },
        },
      ],
      node: [
        {
          opType: 'Slice',
          domain: 'ai.onnx',
          input: ['x'],
          output: ['s'],
          docString: 'cut',
          metadataProps: [{ key: 'n', value: 'm' }],
          attribute: [
            { name: 'ends', type: AttributeType.INTS, ints: [9223372036854775807n, -9223372036854775808n], docString: 'to the end' },
            { name: 'bytes', type: AttributeType.STRING, s: new Uint8Array([0xff, 0x00]) },
            { name: 'old', i: 3n },
            { name: 'tensors', type: AttributeType.TENSORS, tensors: [{ dims: [1n], dataType: 1, floatData: [2] }] },
            { name: 'type', type: AttributeType.TYPE_PROTO, tp: { value: { case: 'opaqueType', value: { domain: 'd', name: 'n' } } } },
            { name: 'sparse', type: AttributeType.SPARSE_TENSOR, sparseTensor: { dims: [1n] } },
          ],
        },
        {
          opType: 'If',
          name: 'same',
          input: ['s'],
          output: ['t'],
          attribute: [
            {
              name: 'then_branch',
              type: AttributeType.GRAPH,
              docString: 'branch',
              g: { name: 'then', docString: 'inner', node: [{ opType: 'Relu', input: ['s'], output: ['r'] }], output: [{ name: 'r' }] },
            },
          ],
        },
        { opType: 'Twice', domain: 'local', overload: 'o', name: 'same', input: ['t'], output: ['y'] },
      ],
    },
  })
}

test('a model read and written again is equal in all that it says, known or not', async t => {
  const odd = oddModel()
  odd.$unknown = [{ no: 1000, wireType: 2, data: new Uint8Array([3, 1, 2, 3]) }]
  odd.graph!.node[0]!.$unknown = [{ no: 500, wireType: 0, data: new Uint8Array([42]) }]
  const bytes = toBinary(ModelProtoSchema, odd)
  const written = writeModel(readModel(bytes))
  const again = fromBinary(ModelProtoSchema, written)
  t.ok(equals(ModelProtoSchema, again, fromBinary(ModelProtoSchema, bytes), { registry: createRegistry(file_onnx), unknown: true }))
  t.same(
    again.graph!.input.map(({ name }) => name),
    ['w', 'x', 'seq'],
  )
  t.same(writeModel(readModel(written)), written, 'a second time gives the same bytes')
})

test('values of typed fields keep their bits when they become bytes', async t => {
  const cases = [
    { dataType: DataType.FLOAT, field: { floatData: [1.5, -2] }, hex: '0000c03f000000c0' },
    { dataType: DataType.DOUBLE, field: { doubleData: [1, -2] }, hex: '000000000000f03f00000000000000c0' },
    { dataType: DataType.INT64, field: { int64Data: [1n, -9223372036854775808n] }, hex: '01000000000000000000000000000080' },
    { dataType: DataType.UINT64, field: { uint64Data: [1n, 18446744073709551615n] }, hex: '0100000000000000ffffffffffffffff' },
    { dataType: DataType.UINT32, field: { uint64Data: [1n, 4294967295n] }, hex: '01000000ffffffff' },
    { dataType: DataType.INT32, field: { int32Data: [1, -1] }, hex: '01000000ffffffff' },
    { dataType: DataType.INT16, field: { int32Data: [1, -1] }, hex: '0100ffff' },
    { dataType: DataType.FLOAT16, field: { int32Data: [0x3c00, 0xc000] }, hex: '003c00c0' },
    { dataType: DataType.INT8, field: { int32Data: [1, -1] }, hex: '01ff' },
    { dataType: DataType.BOOL, field: { int32Data: [1, 0] }, hex: '0100' },
    { dataType: DataType.UINT4, field: { int32Data: [0x21] }, hex: '21' },
    { dataType: DataType.COMPLEX64, field: { floatData: [1, 0, -2, 0] }, hex: '0000803f00000000000000c000000000' },
  ]
  for (const { dataType, field, hex } of cases) {
    const bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: 8n,
        opsetImport: [{ version: 17n }],
        graph: { name: 'g', initializer: [{ name: 'c', dims: [2n], dataType, ...field }] },
      }),
    )
    const model = readModel(bytes)
    t.equal(Buffer.from(model.graph.initializers.get('c')!.bytes).toString('hex'), hex, DataType[dataType])
    const [written] = fromBinary(ModelProtoSchema, writeModel(model)).graph!.initializer
    t.equal(Buffer.from(written!.rawData).toString('hex'), hex, `${DataType[dataType]} written`)
  }
})

test('an edited node is written as edited, its neighbours as they were', async t => {
  const model = readModel(toBinary(ModelProtoSchema, oddModel()))
  const [slice] = model.graph.nodes
  model.graph.replaceNode(slice!, makeNode({ ...slice!, attributes: new Map([...slice!.attributes, ['old', int(4)]]) }))
  const [node] = fromBinary(ModelProtoSchema, writeModel(model)).graph!.node
  t.equal(node!.docString, 'cut')
  t.equal(node!.attribute.find(({ name }) => name === 'old')!.i, 4n)
  t.same(node!.attribute[0]!.ints, [9223372036854775807n, -9223372036854775808n])
})

test('a model made here runs on ONNX Runtime', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['N', 2]] },
    outputs: { y: ['float32', ['N', 2]] },
    constants: { two: f32([], [2]) },
    nodes: [op('Mul', ['x', 'two'], 'y')],
  })
  const x = floats([3, 2])
  const { y } = await runModel(model, { x })
  t.same(
    [...y!.data],
    [...x.data].map(value => Number(value) * 2),
  )
})

test('before IR 4 a constant added to a graph that names its constants is named too', async t => {
  const source = create(ModelProtoSchema, {
    irVersion: 3n,
    opsetImport: [{ version: 8n }],
    graph: {
      name: 'g',
      input: [{ name: 'w' }],
      output: [{ name: 'y' }],
      initializer: [{ name: 'w', dims: [1n], dataType: 1, rawData: new Uint8Array(4) }],
      node: [{ opType: 'Relu', input: ['w'], output: ['y'] }],
    },
  })
  const model = readModel(toBinary(ModelProtoSchema, source))
  t.same(model.graph.inputs, [])
  t.same(
    model.graph.defaults.map(({ name }) => name),
    ['w'],
  )
  model.graph.addConstant('v', f32([1], [1]))
  t.same(
    fromBinary(ModelProtoSchema, writeModel(model)).graph!.input.map(({ name }) => name),
    ['w', 'v'],
  )
})
