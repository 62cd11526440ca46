import type { Graph } from '../graph.js'
import { readsOf } from '../graph.js'
import type { Node } from '../node.js'
import { definePass } from './define-pass.js'

/**
 * Nodes that no result of the graph depends on, constants that nothing reads, and declarations of values that are gone.
 * No operator of ONNX has another effect than its outputs. Constants read from subgraphs count as read.
 */
export const removeUnused = definePass({
  name: 'remove-unused',
  phase: 'clean-up',
  apply(graph) {
    const used = new Set<Node>()
    const wanted = graph.outputs.map(({ name }) => name)
    const read = new Set<string>(wanted)
    for (let value = wanted.pop(); value !== undefined; value = wanted.pop()) {
      const node = graph.producer(value)
      if (node === undefined || used.has(node)) continue
      used.add(node)
      for (const input of readsOf(node)) {
        read.add(input)
        wanted.push(input)
      }
    }
    const gone = graph.nodes.filter(node => !used.has(node))
    if (gone.length > 0) graph.removeNodes(gone)
    let changes = gone.length
    for (const name of graph.initializers.keys()) {
      if (read.has(name)) continue
      graph.initializers.delete(name)
      changes += 1
    }
    return changes + dropStaleInfo(graph)
  },
})

function dropStaleInfo(graph: Graph): number {
  const made = new Set(graph.nodes.flatMap(node => node.outputs))
  let changes = 0
  for (const name of graph.valueInfo.keys()) {
    if (made.has(name)) continue
    graph.valueInfo.delete(name)
    changes += 1
  }
  return changes
}
