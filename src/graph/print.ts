import type { Graph, ValueInfo } from './graph.js'
import type { Attribute, Node } from './node.js'
import { dtypes } from './tensor/dtype.js'
import { type ConstantTensor, constantData } from './tensor/tensor.js'

/** Constants with more elements are printed by type and shape alone. */
const mostValues = 8

/**
 * A graph as text, one line per input, constant, node and output, for goldens and debugging:
 *
 *     in   x float32[N, 3, 8, 8]
 *     const w float32[4, 3, 3, 3]
 *     node y = Conv(x, w) pads=[1, 1, 1, 1]
 *     out  y float32
 *
 * Node names are left out where they are the name of the first output. Subgraphs stand below their node, indented.
 */
export function printGraph(graph: Graph): string {
  return linesOf(graph, '').join('\n')
}

function linesOf(graph: Graph, indent: string): string[] {
  return [
    ...graph.inputs.map(info => `${indent}in   ${printInfo(info)}`),
    ...[...graph.initializers].map(([name, tensor]) => `${indent}const ${name} ${printConstant(tensor)}`),
    ...[...graph.opaqueConstants.keys()].map(name => `${indent}const ${name} (not read)`),
    ...graph.nodes.flatMap(node => nodeLines(node, indent)),
    ...graph.outputs.map(info => `${indent}out  ${printInfo(info)}`),
  ]
}

function printInfo({ name, dtype, shape }: ValueInfo): string {
  const sizes = shape === undefined ? '' : `[${shape.map(size => size ?? '?').join(', ')}]`
  return `${name} ${dtype ?? '?'}${sizes}`
}

function printConstant(tensor: ConstantTensor): string {
  const { dtype, shape, bytes } = tensor
  const head = `${dtype}[${shape.join(', ')}]`
  if (dtypes[dtype].array === undefined || (bytes.byteLength * 8) / dtypes[dtype].bits > mostValues) return head
  return `${head} = ${Array.from(constantData(tensor), String).join(', ')}`
}

function nodeLines(node: Node, indent: string): string[] {
  const domain = node.domain === '' ? '' : `${node.domain}.`
  const named = node.name === node.outputs[0] ? '' : ` '${node.name}'`
  const call = `${node.outputs.map(output => output || '_').join(', ')} = ${domain}${node.opType}(${node.inputs.map(input => input || '_').join(', ')})`
  const attributes = [...node.attributes].sort(([a], [b]) => (a < b ? -1 : 1))
  const plain = attributes.flatMap(([name, attribute]) => {
    const text = printAttribute(attribute)
    return text === undefined ? [] : [` ${name}=${text}`]
  })
  const inner = attributes.flatMap(([name, attribute]) => {
    const graphs = attribute.kind === 'graph' ? [attribute.value] : attribute.kind === 'graphs' ? attribute.value : []
    return graphs.flatMap(graph => [`${indent}  ${name}:`, ...linesOf(graph, `${indent}    `)])
  })
  return [`${indent}node ${call}${named}${plain.join('')}`, ...inner]
}

/** undefined for graphs, which are printed below the node. */
function printAttribute(attribute: Attribute): string | undefined {
  switch (attribute.kind) {
    case 'int':
    case 'float':
      return String(attribute.value)
    case 'string':
      return `'${attribute.value}'`
    case 'ints':
    case 'floats':
    case 'strings':
      return `[${attribute.value.join(', ')}]`
    case 'tensor':
      return printConstant(attribute.value)
    case 'opaque':
      return '(not read)'
    default:
      return undefined
  }
}
