import type { Graph } from '../../graph/graph.js'
import { intAttribute, isOp, type Node } from '../../graph/node.js'
import { type DType, dtypeFromOnnx } from '../../graph/tensor/dtype.js'
import { subgraphsOf } from '../../graph/verify.js'

/** Operators whose result has a type of its own, whatever they read. */
const int64Results = ['Shape', 'Size', 'NonZero', 'ArgMax', 'ArgMin'] as const
const boolResults = ['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Not', 'And', 'Or', 'Xor', 'IsNaN', 'IsInf'] as const

/**
 * Names of the values that are certainly float32 tensors, in graph order: those that quantization may look at. Results of If have the type that a branch gives
 * them; results of other operators with subgraphs and of foreign domains count when the file declares their type.
 */
export function floatValues(graph: Graph): string[] {
  const types = valueTypes(graph)
  const values = graph.inputs.filter(({ dtype }) => dtype === 'float32').map(({ name }) => name)
  for (const output of graph.nodes.flatMap(({ outputs }) => outputs))
    if (output !== '' && types.get(output) === 'float32') values.push(output)
  return values
}

type Types = Map<string, DType | undefined>

/** Types of everything that `graph` can read. */
function valueTypes(graph: Graph, outer: Types = new Map()): Types {
  const types: Types = new Map(outer)
  for (const { name, dtype } of graph.inputs) types.set(name, dtype)
  for (const [name, { dtype }] of graph.initializers) types.set(name, dtype)
  for (const node of graph.nodes) {
    const chosen = isOp(node, 'If') ? branchTypes(node, types) : undefined
    node.outputs.forEach((output, index) => {
      if (output !== '') types.set(output, graph.valueInfo.get(output)?.dtype ?? chosen?.[index] ?? resultType(node, index, types))
    })
  }
  return types
}

/** Types of the results of an If: the branches agree, so the first that tells decides. */
function branchTypes(node: Node, types: Types): readonly (DType | undefined)[] {
  const known = subgraphsOf(node).map(inner => {
    const inside = valueTypes(inner, types)
    return inner.outputs.map(({ name, dtype }) => dtype ?? inside.get(name))
  })
  return node.outputs.map((_, index) => known.map(row => row[index]).find(dtype => dtype !== undefined))
}

function resultType(node: Node, index: number, types: ReadonlyMap<string, DType | undefined>): DType | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined
  if ([...node.attributes.values()].some(({ kind }) => kind === 'graph' || kind === 'graphs')) return undefined
  if (isOp(node, ...int64Results)) return 'int64'
  if (isOp(node, ...boolResults)) return 'bool'
  if (isOp(node, 'Cast')) return dtypeFromOnnx(intAttribute(node, 'to', 0))
  if (isOp(node, 'TopK', 'MaxPool') && index === 1) return 'int64'
  if (isOp(node, 'Dropout') && index === 1) return 'bool'
  if (isOp(node, 'Constant', 'ConstantOfShape', 'RandomNormal', 'RandomUniform')) {
    const value = node.attributes.get('value')
    if (value?.kind === 'tensor') return value.value.dtype
    return node.opType === 'Constant' ? undefined : 'float32'
  }
  if (isOp(node, 'QuantizeLinear', 'DynamicQuantizeLinear', 'OneHot', 'CastLike', 'SequenceAt', 'Optional', 'OptionalGetElement'))
    return undefined
  const decisive = isOp(node, 'Where', 'DequantizeLinear') ? node.inputs[1] : node.inputs[0]
  return decisive === undefined ? undefined : types.get(decisive)
}
