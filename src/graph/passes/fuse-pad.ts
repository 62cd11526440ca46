import { changeAttributes } from '../edit.js'
import type { Graph } from '../graph.js'
import { changeNode, int, intAttribute, ints, isOp, type Node, string, stringAttribute } from '../node.js'
import { numbersOf } from '../ops/facts.js'
import { windowOf } from '../ops/window.js'
import { definePass, type PassContext } from './define-pass.js'

/**
 * Pad(x, zeros on spatial axes) -> Conv  becomes  Conv with those pads.
 * AveragePool alike, counting the padding (count_include_pad = 1), where it has none of its own. MaxPool behind values that are never negative:
 * there a zero changes no maximum, as long as each window reaches real values.
 */
export const fusePad = definePass({
  name: 'fuse-pad',
  phase: 'fuse',
  apply(graph, context) {
    const changed = new Map<Node, Node>()
    for (const node of graph.nodes) {
      const pad = graph.producer(node.inputs[0] ?? '')
      if (!isOp(node, 'Conv', 'AveragePool', 'MaxPool') || !isOp(pad, 'Pad')) continue
      const pads = spatialZeros(graph, pad, context)
      const padded = pads === undefined ? undefined : withPads(graph, node, { pad, pads, context })
      if (padded !== undefined) changed.set(node, padded)
    }
    if (changed.size === 0) return 0
    graph.setNodes(graph.nodes.map(node => changed.get(node) ?? node))
    const unread = graph.nodes.filter(
      node => isOp(node, 'Pad') && graph.consumers(node.outputs[0]!).length === 0 && !graph.isOutput(node.outputs[0]!),
    )
    if (unread.length > 0) graph.removeNodes(unread)
    return changed.size
  },
})

/** Begins then ends of the spatial axes, when `pad` adds zeros there and nowhere else. */
function spatialZeros(graph: Graph, pad: Node, context: PassContext): readonly number[] | undefined {
  if (stringAttribute(pad, 'mode', 'constant') !== 'constant' || (pad.inputs[3] ?? '') !== '' || pad.attributes.has('value'))
    return undefined
  const sizes = context.constant(graph, pad.inputs[1] ?? '')
  const pads = sizes === undefined ? undefined : numbersOf(sizes, 64)
  if (pads === undefined || pads.length < 6 || pads.some(size => size < 0)) return undefined
  const filler = pad.inputs[2] ?? ''
  if (filler !== '') {
    const value = context.constant(graph, filler)
    if (value === undefined || numbersOf(value, 1)?.[0] !== 0) return undefined
  }
  const rank = pads.length / 2
  if ([0, 1, rank, rank + 1].some(at => pads[at] !== 0)) return undefined
  return [...pads.slice(2, rank), ...pads.slice(rank + 2)]
}

function withPads(
  graph: Graph,
  node: Node,
  { pad, pads, context }: { pad: Node; pads: readonly number[]; context: PassContext },
): Node | undefined {
  const { opType } = node
  const weightsAndBias = node.inputs.slice(1)
  const window = windowOf(node, context.constant(graph, node.inputs[1] ?? '')?.shape.slice(2))
  if (window === undefined || window.pads.length !== pads.length || !['NOTSET', 'VALID'].includes(window.autoPad)) return undefined
  const own = window.autoPad === 'VALID' ? window.pads.map(() => 0) : window.pads
  const whole = own.map((size, at) => size + pads[at]!)
  if (opType !== 'Conv') {
    if (window.ceil || whole.some((size, at) => size >= window.kernel[at % window.kernel.length]!)) return undefined
    if (opType === 'AveragePool' && own.some(size => size > 0)) return undefined
  }
  if (opType === 'MaxPool') {
    const dense = window.dilations.every(dilation => dilation === 1)
    const plain = node.outputs.length === 1 && intAttribute(node, 'storage_order', 0) === 0
    if (!dense || !plain || !neverNegative(graph, pad.inputs[0]!, context)) return undefined
  }
  const set = {
    ...(opType === 'AveragePool' ? { count_include_pad: int(1) } : {}),
    ...(node.attributes.has('auto_pad') ? { auto_pad: string('NOTSET') } : {}),
    pads: ints(whole),
  }
  return changeNode(changeAttributes(node, { set }), { inputs: [pad.inputs[0]!, ...weightsAndBias] })
}

function neverNegative(graph: Graph, value: string, context: PassContext): boolean {
  const node = graph.producer(value)
  if (node?.domain !== '') return false
  if (['Relu', 'Sigmoid', 'HardSigmoid', 'Softmax', 'Abs'].includes(node.opType)) return true
  if (node.opType !== 'Clip') return false
  const low = context.constant(graph, node.inputs[1] ?? '')
  return low !== undefined && (numbersOf(low, 1)?.[0] ?? -1) >= 0
}
