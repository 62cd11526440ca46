import type { Graph } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'

/** Longest chain between a pooling and the gate that it feeds: pool, reduce, bias, activation, expand, bias, sigmoid in its pieces. */
const longestGate = 12

/**
 * Convolutions and matrix products of squeeze-excite gates: pool -> linear -> activation -> linear -> sigmoid -> Mul with what was pooled. They work on one
 * value per channel, cost nothing and scale whole channels, so they stay float (quantization.md 4.3; NNCF's SE_BLOCK).
 */
export function findSqueezeExcite(graph: Graph): Set<Node> {
  const found = new Set<Node>()
  for (const pool of graph.nodes) {
    if (!isOp(pool, 'GlobalAveragePool', 'ReduceMean')) continue
    const linear = gateOf(graph, pool)
    for (const node of linear ?? []) found.add(node)
  }
  return found
}

/** Linear nodes between `pool` and a Mul that also reads what `pool` reads; undefined when the chain leads elsewhere. */
function gateOf(graph: Graph, pool: Node): readonly Node[] | undefined {
  const pooled = pool.inputs[0]!
  const linear: Node[] = []
  let frontier = new Set([pool.outputs[0]!])
  for (let step = 0; step < longestGate; step += 1) {
    const next = new Set<string>()
    for (const value of frontier) {
      for (const node of graph.consumers(value)) {
        if (isOp(node, 'Mul') && node.inputs.includes(pooled)) return linear.length > 0 ? linear : undefined
        if (isOp(node, 'Conv', 'Gemm', 'MatMul')) linear.push(node)
        next.add(node.outputs[0]!)
      }
    }
    if (next.size === 0 || next.size > 3) return undefined
    frontier = next
  }
  return undefined
}
