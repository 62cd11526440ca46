import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { QuantdError } from '../../errors.js'
import type { Graph, Model, ValueInfo } from '../graph.js'
import type { Attribute, Node } from '../node.js'
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type SparseTensorProto,
  type TensorProto,
  type ValueInfoProto,
} from './generated/onnx_pb.js'
import { writeTensor } from './tensor-proto.js'
import { writeValueInfo } from './value-info.js'

/** Protobuf messages end at 2 GiB. */
const largestFile = 2 ** 31 - 1

/**
 * The bytes of `model` as an ONNX file, all constants inside. Parts that were read and not edited are written as they were read; the same model
 * gives the same bytes.
 * @throws ERR_ONNX_WRITE past 2 GiB
 */
export function writeModel(model: Model): Uint8Array {
  const constants = [...model.graph.initializers.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  if (constants > largestFile) {
    throw new QuantdError('ERR_ONNX_WRITE', `the constants are ${constants} bytes long, a file holds ${largestFile}`, {
      details: { bytes: constants },
    })
  }
  return toBinary(ModelProtoSchema, modelProto(model))
}

function modelProto({ irVersion, opsets, graph, source }: Model): ModelProto {
  const proto = create(ModelProtoSchema)
  if (source !== undefined) Object.assign(proto, source)
  if (source === undefined) proto.producerName = 'quantd'
  proto.irVersion = BigInt(irVersion)
  proto.opsetImport = opsetsProto(opsets, source)
  proto.graph = graphProto(graph, irVersion)
  return proto
}

function opsetsProto(opsets: ReadonlyMap<string, number>, source: ModelProto | undefined): ModelProto['opsetImport'] {
  const left = new Map(opsets)
  const kept = (source?.opsetImport ?? []).filter(({ domain, version }) => {
    const key = domain === 'ai.onnx' ? '' : domain
    return opsets.get(key) === Number(version) && left.delete(key)
  })
  return [...kept, ...[...left].map(([domain, version]) => create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }))]
}

function graphProto(graph: Graph, irVersion: number): GraphProto {
  const proto = create(GraphProtoSchema)
  if (graph.source !== undefined) Object.assign(proto, graph.source)
  proto.name = graph.name
  proto.node = graph.nodes.map(node => nodeProto(node, irVersion))
  proto.input = inputProtos(graph, irVersion)
  proto.output = graph.outputs.map(writeValueInfo)
  proto.valueInfo = [...graph.valueInfo.values()].map(writeValueInfo)
  const opaque = [...graph.opaqueConstants.values()]
  const constants = new Map<string, TensorProto>([...graph.initializers].map(([name, tensor]) => [name, writeTensor(tensor, name)]))
  for (const tensor of opaque) if (isTensor(tensor)) constants.set(tensor.name, tensor)
  proto.initializer = inFileOrder(
    constants,
    graph.source?.initializer.map(({ name }) => name),
  )
  proto.sparseInitializer = opaque.filter(tensor => !isTensor(tensor))
  return proto
}

function isTensor(constant: TensorProto | SparseTensorProto): constant is TensorProto {
  return constant.$typeName === 'onnx.TensorProto'
}

/** Inputs with those that only name a constant at the places that the file gave them. Before IR 4 every constant of a main graph has to be named. */
function inputProtos(graph: Graph, irVersion: number): ValueInfoProto[] {
  const infos = new Map<string, ValueInfo>([...graph.inputs, ...graph.defaults].map(info => [info.name, info]))
  const constants = new Set([...graph.initializers.keys(), ...graph.opaqueConstants.keys()])
  for (const { name } of graph.defaults) if (!constants.has(name)) infos.delete(name)
  if (irVersion < 4 && graph.defaults.length > 0) {
    for (const [name, { dtype, shape }] of graph.initializers) if (!infos.has(name)) infos.set(name, { name, dtype, shape })
  }
  const protos = new Map([...infos].map(([name, info]) => [name, writeValueInfo(info)]))
  const given = graph.source?.input.map(({ name }) => name)
  const fed = given?.filter(name => infos.has(name) && !constants.has(name))
  const sameOrder = fed?.every((name, index) => graph.inputs[index]?.name === name) === true
  return sameOrder ? inFileOrder(protos, given) : [...protos.values()]
}

function inFileOrder<T>(items: ReadonlyMap<string, T>, order: readonly string[] = []): T[] {
  const left = new Map(items)
  const first = order.flatMap(name => {
    const item = left.get(name)
    return item !== undefined && left.delete(name) ? [item] : []
  })
  return [...first, ...left.values()]
}

function nodeProto(node: Node, irVersion: number): NodeProto {
  const { source } = node
  const proto = create(NodeProtoSchema)
  if (source !== undefined) Object.assign(proto, source)
  if (node.nameIsMade !== true) proto.name = node.name
  proto.opType = node.opType
  if (node.domain !== '' || (source?.domain ?? '') !== 'ai.onnx') {
    if (node.domain !== '' || source?.domain !== '') proto.domain = node.domain
  }
  proto.input = [...node.inputs]
  proto.output = [...node.outputs]
  proto.attribute = [...node.attributes].map(([name, attribute]) => attributeProto(name, attribute, irVersion))
  return proto
}

function attributeProto(name: string, attribute: Attribute, irVersion: number): AttributeProto {
  const { source } = attribute
  if (source !== undefined && source.name === name && attribute.kind !== 'graph' && attribute.kind !== 'graphs') return source
  const proto = create(AttributeProtoSchema, { name, ...attributeFields(attribute, irVersion) })
  if (source !== undefined) return Object.assign(create(AttributeProtoSchema), source, { g: proto.g, graphs: proto.graphs })
  return proto
}

const utf8 = new TextEncoder()

function attributeFields(attribute: Attribute, irVersion: number): MessageInitShape<typeof AttributeProtoSchema> {
  switch (attribute.kind) {
    case 'int':
      return { type: AttributeType.INT, i: BigInt(attribute.value) }
    case 'float':
      return { type: AttributeType.FLOAT, f: attribute.value }
    case 'string':
      return { type: AttributeType.STRING, s: utf8.encode(attribute.value) }
    case 'ints':
      return { type: AttributeType.INTS, ints: attribute.value.map(BigInt) }
    case 'floats':
      return { type: AttributeType.FLOATS, floats: [...attribute.value] }
    case 'strings':
      return { type: AttributeType.STRINGS, strings: attribute.value.map(text => utf8.encode(text)) }
    case 'tensor':
      return { type: AttributeType.TENSOR, t: writeTensor(attribute.value, attribute.value.source?.name ?? '') }
    case 'graph':
      return { type: AttributeType.GRAPH, g: graphProto(attribute.value, irVersion) }
    case 'graphs':
      return { type: AttributeType.GRAPHS, graphs: attribute.value.map(graph => graphProto(graph, irVersion)) }
    case 'opaque':
      throw new QuantdError('ERR_INTERNAL', 'an opaque attribute without source cannot be written')
  }
}
