import type { Graph } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'
import { countMacs } from './count-macs.js'
import type { Shapes } from './shapes.js'
import type { Unit } from './unit.js'

/** Share of all multiply-adds that such a layer may have. */
const cheapShare = 0.05

/**
 * Convolutions whose result is, moved at most, an output of the model, and which cost next to nothing: as integers they would answer with 256 different values,
 * and all that a caller sees of a score is told apart by its steps. A matrix product gives floats out of its integer kernel and need not be spared.
 */
export function findAnsweringLayers(graph: Graph, shapes: Shapes, units: ReadonlyMap<Node, Unit>): Map<Node, string> {
  const macs = new Map(graph.nodes.map(node => [node, countMacs(graph, shapes, node)]))
  const all = [...macs.values()].reduce((sum, count) => sum + count, 0)
  const answers = (value: string): boolean =>
    graph.isOutput(value) || graph.consumers(value).some(node => units.get(node)?.form === 'move' && node.outputs.some(answers))
  const found = new Map<Node, string>()
  for (const [node, unit] of units) {
    if (!isOp(node, 'Conv') || macs.get(node)! > cheapShare * all || !unit.outputs.some(answers)) continue
    found.set(
      node,
      'its result is an output of the model: 256 steps would be all that a caller sees of it, and in float it costs next to nothing',
    )
  }
  return found
}
