import { mapSubgraphs } from '../../../graph/edit.js'
import type { Graph, Model } from '../../../graph/graph.js'
import { type Attribute, changeNode, int, isOp, makeNode, type Node } from '../../../graph/node.js'
import { dtypes } from '../../../graph/tensor/dtype.js'
import { type ConstantTensor, constant, constantData } from '../../../graph/tensor/tensor.js'
import { float16Bits } from '../../../samples/float16.js'
import { floatValues } from '../../statistics/float-values.js'

/** Largest float16: what lies beyond is cut to it, as infinities would spread. */
const largest = 65504

/** Inputs that have to be float32 by the operator's signature, by operator. */
const float32Inputs: Readonly<Record<string, readonly number[]>> = {
  NonMaxSuppression: [0, 1, 3, 4],
  Resize: [1, 2],
  Upsample: [1],
}

/**
 * A float32 model that stores and computes in float16; its inputs and outputs stay float32, converted at the border. Operators of other domains and inputs that
 * must be float32 are fed float32. Constants are rounded half to even and cut at +-65504.
 */
export function toFloat16(model: Model): Model {
  const graph = model.graph.clone()
  convert(graph, new Set(floatValues(graph)))
  return { ...model, graph }
}

/** Changes `graph`, in which `floats` (those of enclosing graphs included) become float16. */
function convert(graph: Graph, floats: ReadonlySet<string>): void {
  const nodes: Node[] = []
  const cast = (value: string, to: string, dtype: 'float16' | 'float32'): void => {
    const name = graph.uniqueName(`${to}/cast`)
    nodes.push(makeNode({ name, opType: 'Cast', inputs: [value], outputs: [to], attributes: { to: int(dtypes[dtype].onnx) } }))
  }
  const halves = new Map<string, string>()
  for (const { name, dtype } of graph.inputs) {
    if (dtype !== 'float32') continue
    const half = graph.uniqueName(`${name}/half`)
    cast(name, half, 'float16')
    halves.set(name, half)
  }
  for (const { name } of graph.outputs)
    if (floats.has(name) && graph.producer(name) !== undefined) halves.set(name, graph.uniqueName(`${name}/half`))
  const wide = new Map([...graph.initializers].filter(([, { dtype }]) => dtype === 'float32'))
  for (const [name, tensor] of wide) graph.initializers.set(name, toHalf(tensor))
  const widened = (value: string): string => {
    const stored = wide.get(value)
    if (stored !== undefined) return graph.addConstant(`${value}/float`, stored)
    if (!floats.has(value)) return value
    const float = graph.uniqueName(`${value}/float`)
    cast(halves.get(value) ?? value, float, 'float32')
    return float
  }
  for (const node of graph.nodes) {
    const foreign = node.domain !== '' && node.domain !== 'ai.onnx'
    const kept = foreign
      ? node.inputs.map((_, index) => index)
      : isOp(node, ...Object.keys(float32Inputs))
        ? float32Inputs[node.opType]!
        : []
    const inputs = node.inputs.map((value, index) => (kept.includes(index) ? widened(value) : (halves.get(value) ?? value)))
    const results: [string, string][] = []
    const outputs = node.outputs.map(output => {
      const half = halves.get(output) ?? output
      if (!foreign || !floats.has(output)) return half
      const float = graph.uniqueName(`${output}/float`)
      results.push([float, half])
      return float
    })
    const inner = mapSubgraphs(node, subgraph => {
      const copy = subgraph.clone()
      renameReads(copy, halves)
      convert(copy, new Set([...floats, ...floatValues(copy)]))
      return copy
    })
    nodes.push(changeNode(inner, { inputs, outputs, ...(foreign ? {} : { attributes: narrowed(inner) }) }))
    for (const [float, half] of results) cast(float, half, 'float16')
  }
  for (const { name } of graph.outputs) if (floats.has(name) && halves.has(name)) cast(halves.get(name)!, name, 'float32')
  for (const [name, info] of graph.valueInfo) if (info.dtype === 'float32') graph.valueInfo.delete(name)
  graph.setNodes(nodes)
}

/** Makes nodes of a subgraph read what stands for a captured value now. */
function renameReads(graph: Graph, names: ReadonlyMap<string, string>): void {
  graph.setNodes(graph.nodes.map(node => changeNode(node, { inputs: node.inputs.map(input => names.get(input) ?? input) })))
}

/** Float32 tensors of attributes as float16, and types that name float32. */
function narrowed(node: Node): ReadonlyMap<string, Attribute> {
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    const names = (name === 'to' && isOp(node, 'Cast')) || name === 'dtype'
    if (attribute.kind === 'tensor' && attribute.value.dtype === 'float32')
      attributes.set(name, { kind: 'tensor', value: toHalf(attribute.value) })
    else if (names && attribute.kind === 'int' && attribute.value === dtypes.float32.onnx) attributes.set(name, int(dtypes.float16.onnx))
    else attributes.set(name, attribute)
  }
  return attributes
}

function toHalf(tensor: ConstantTensor): ConstantTensor {
  const values = constantData(tensor) as Float32Array
  return constant(
    'float16',
    tensor.shape,
    Uint16Array.from(values, value =>
      float16Bits(Math.abs(value) <= largest ? value : Number.isNaN(value) ? value : Math.sign(value) * largest),
    ),
  )
}
