import { fromBinary, isFieldSet } from '@bufbuild/protobuf'
import { QuantdError } from '../../errors.js'
import { Graph, type Model, type ValueInfo } from '../graph.js'
import type { Attribute, AttributeValue, Node } from '../node.js'
import type { ConstantTensor } from '../tensor/tensor.js'
import { isSorted, verifyNames, verifySortable } from '../verify.js'
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type SparseTensorProto,
  type TensorProto,
} from './generated/onnx_pb.js'
import { type ExternalData, readTensor } from './tensor-proto.js'
import { readValueInfo } from './value-info.js'
import { checkWire, defaultWireLimits, type WireLimits } from './wire-check.js'

/** Versions of the ai.onnx operator set that quantd reads. */
export const supportedOpsets = { lowest: 7, highest: 23 } as const

export interface ReadOptions {
  /** Where tensors with external data get it from; without, such a model is refused. */
  readonly externalData?: ExternalData
  readonly limits?: WireLimits
}

/**
 * The model in `bytes` (a ModelProto). Constants are views over `bytes`, which must not change afterwards. Sizes, limits and names are checked before
 * anything is built on them; nodes are put in order where the file has them out of order. What is not understood stays in `source`, `opaque`
 * attributes and `opaqueConstants` for `writeModel`.
 * @throws ERR_ONNX_* and ERR_GRAPH_*, naming the byte, node or value
 */
export function readModel(bytes: Uint8Array, { externalData, limits = defaultWireLimits }: ReadOptions = {}): Model {
  checkWire(ModelProtoSchema, bytes, limits)
  const source = decode(bytes)
  if (source.graph === undefined) throw new QuantdError('ERR_ONNX_MODEL', 'the file holds no graph')
  const graph = readGraph(source.graph, externalData)
  verifyNames(graph)
  const opsets = readOpsets(source, graph)
  return { irVersion: Number(source.irVersion), opsets, graph, source }
}

function decode(bytes: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes)
  } catch (cause) {
    throw new QuantdError('ERR_ONNX_WIRE', `the file is not an ONNX model: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

function readOpsets(source: ModelProto, graph: Graph): ReadonlyMap<string, number> {
  const opsets = new Map<string, number>()
  for (const { domain, version } of source.opsetImport) {
    const key = plainDomain(domain)
    if ((opsets.get(key) ?? Number(version)) !== Number(version)) {
      throw new QuantdError('ERR_ONNX_OPSET', `the model imports two versions of '${key || 'ai.onnx'}'`, { details: { domain: key } })
    }
    opsets.set(key, Number(version))
  }
  const version = opsets.get('')
  if (version === undefined) {
    const node = graph.nodes.find(({ domain }) => domain === '')
    if (node !== undefined) {
      throw new QuantdError('ERR_ONNX_OPSET', `node '${node.name}' (${node.opType}): the model imports no version of ai.onnx`, {
        details: { node: node.name },
      })
    }
  } else if (version < supportedOpsets.lowest || version > supportedOpsets.highest) {
    throw new QuantdError(
      'ERR_ONNX_OPSET',
      `the model uses ai.onnx ${version}; ${supportedOpsets.lowest} to ${supportedOpsets.highest} are supported`,
      { details: { opset: version, ...supportedOpsets } },
    )
  }
  return opsets
}

const plainDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain)

function readGraph(proto: GraphProto, externalData: ExternalData | undefined): Graph {
  const initializers = new Map<string, ConstantTensor>()
  const opaqueConstants = new Map<string, TensorProto | SparseTensorProto>()
  const claim = (name: string): string => {
    if (name === '' || initializers.has(name) || opaqueConstants.has(name)) {
      throw name === ''
        ? new QuantdError('ERR_ONNX_MODEL', `graph '${proto.name}': an initializer has no name`)
        : new QuantdError('ERR_GRAPH_PRODUCER', `graph '${proto.name}': initializer '${name}' is there twice`, { details: { value: name } })
    }
    return name
  }
  for (const tensor of proto.initializer) {
    const name = claim(tensor.name)
    const constant = readTensor(tensor, { place: `initializer '${name}'`, externalData })
    if (constant === undefined) opaqueConstants.set(name, tensor)
    else initializers.set(name, constant)
  }
  for (const sparse of proto.sparseInitializer) opaqueConstants.set(claim(sparse.values?.name ?? ''), sparse)

  const isConstant = ({ name }: ValueInfo) => initializers.has(name) || opaqueConstants.has(name)
  const inputs = proto.input.map(readValueInfo)
  const graph = new Graph({
    name: proto.name,
    nodes: readNodes(proto.node, externalData),
    inputs: inputs.filter(input => !isConstant(input)),
    outputs: proto.output.map(readValueInfo),
    initializers,
    valueInfo: new Map(proto.valueInfo.map(info => [info.name, readValueInfo(info)])),
    defaults: inputs.filter(isConstant),
    opaqueConstants,
    source: proto,
  })
  if (!isSorted(graph)) {
    verifySortable(graph)
    graph.sortTopologically()
  }
  return graph
}

function readNodes(protos: readonly NodeProto[], externalData: ExternalData | undefined): Node[] {
  const taken = new Set(protos.map(({ name }) => name))
  const seen = new Set<string>()
  return protos.map((proto, index) => {
    if (proto.opType === '')
      throw new QuantdError('ERR_ONNX_MODEL', `node ${index} ('${proto.name}') has no operator`, { details: { index } })
    if (proto.output.length === 0 && plainDomain(proto.domain) === '') {
      throw new QuantdError('ERR_ONNX_MODEL', `node ${index} ('${proto.name}', ${proto.opType}) has no output`, { details: { index } })
    }
    let name = proto.name
    const nameIsMade = name === '' || seen.has(name)
    if (nameIsMade) for (let n = index; name === '' || taken.has(name); n += protos.length) name = `${proto.opType}_${n}`
    taken.add(name)
    seen.add(name)
    return Object.freeze({
      name,
      ...(nameIsMade ? { nameIsMade } : {}),
      opType: proto.opType,
      domain: plainDomain(proto.domain),
      inputs: Object.freeze(proto.input),
      outputs: Object.freeze(proto.output),
      attributes: readAttributes(proto.attribute, name, externalData),
      source: proto,
    })
  })
}

function readAttributes(
  protos: readonly AttributeProto[],
  node: string,
  externalData: ExternalData | undefined,
): ReadonlyMap<string, Attribute> {
  const attributes = new Map<string, Attribute>()
  for (const source of protos) {
    const { name } = source
    if (name === '' || attributes.has(name)) {
      throw new QuantdError(
        'ERR_ONNX_ATTRIBUTE',
        `node '${node}': attribute '${name}' is ${name === '' ? 'without name' : 'there twice'}`,
        {
          details: { node, attribute: name },
        },
      )
    }
    const value = readAttribute(source, node, externalData)
    attributes.set(name, Object.freeze({ ...value, source }))
  }
  return attributes
}

function readAttribute(proto: AttributeProto, node: string, externalData: ExternalData | undefined): AttributeValue {
  if (proto.refAttrName !== '') return { kind: 'opaque', value: proto }
  const place = `node '${node}': attribute '${proto.name}'`
  switch (proto.type || typeByContent(proto)) {
    case AttributeType.INT:
      return { kind: 'int', value: Number(proto.i) }
    case AttributeType.FLOAT:
      return { kind: 'float', value: proto.f }
    case AttributeType.STRING:
      return { kind: 'string', value: textOf(proto.s) }
    case AttributeType.INTS:
      return { kind: 'ints', value: Object.freeze(proto.ints.map(Number)) }
    case AttributeType.FLOATS:
      return { kind: 'floats', value: Object.freeze([...proto.floats]) }
    case AttributeType.STRINGS:
      return { kind: 'strings', value: Object.freeze(proto.strings.map(textOf)) }
    case AttributeType.TENSOR: {
      if (proto.t === undefined) throw missing(place, node, 'tensor')
      const value = readTensor(proto.t, { place, externalData })
      return value === undefined ? { kind: 'opaque', value: proto } : { kind: 'tensor', value }
    }
    case AttributeType.GRAPH:
      if (proto.g === undefined) throw missing(place, node, 'graph')
      return { kind: 'graph', value: readGraph(proto.g, externalData) }
    case AttributeType.GRAPHS:
      return { kind: 'graphs', value: proto.graphs.map(graph => readGraph(graph, externalData)) }
    default:
      return { kind: 'opaque', value: proto }
  }
}

function missing(place: string, node: string, what: string): QuantdError {
  return new QuantdError('ERR_ONNX_ATTRIBUTE', `${place} holds no ${what}`, { details: { node } })
}

/** IR versions 1 and 2 leave `type` out: the field that is set tells it. */
function typeByContent(proto: AttributeProto): AttributeType {
  const { field } = AttributeProtoSchema
  const candidates = [
    [field.i, AttributeType.INT],
    [field.f, AttributeType.FLOAT],
    [field.s, AttributeType.STRING],
    [field.t, AttributeType.TENSOR],
    [field.g, AttributeType.GRAPH],
    [field.ints, AttributeType.INTS],
    [field.floats, AttributeType.FLOATS],
    [field.strings, AttributeType.STRINGS],
    [field.graphs, AttributeType.GRAPHS],
  ] as const
  return candidates.find(([descriptor]) => isFieldSet(proto, descriptor))?.[1] ?? AttributeType.UNDEFINED
}

const utf8 = new TextDecoder()
const textOf = (bytes: Uint8Array): string => utf8.decode(bytes)
