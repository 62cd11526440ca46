import { QuantdError } from '../../errors.js'
import type { Graph } from '../graph.js'
import { subgraphsOf, verifyGraph } from '../verify.js'
import { type Evaluate, noSurroundings, type Pass, passContext, type Surroundings } from './define-pass.js'

export interface RunPassOptions {
  readonly opset: number
  readonly evaluate: Evaluate
  /** Verify the graph afterwards and name the pass that broke it. */
  readonly verify?: boolean
}

/** Applies `pass` to `graph` and all graphs in it (which must not be shared: `cloneDeep`), and returns the number of changes. @throws ERR_GRAPH_PASS */
export async function runPass(pass: Pass, graph: Graph, options: RunPassOptions): Promise<number> {
  const changes = await runInside(pass, graph, { ...options, root: graph, surroundings: noSurroundings })
  if (options.verify === true) {
    try {
      verifyGraph(graph)
    } catch (cause) {
      const { message } = cause as Error
      throw new QuantdError('ERR_GRAPH_PASS', `pass '${pass.name}' left a broken graph: ${message}`, {
        details: { pass: pass.name },
        cause,
      })
    }
  }
  return changes
}

async function runInside(pass: Pass, graph: Graph, options: RunPassOptions & { root: Graph; surroundings: Surroundings }): Promise<number> {
  const context = passContext(options, options.surroundings)
  let changes = await pass.apply(graph, context)
  const inner = graph.nodes.flatMap(subgraphsOf)
  if (inner.length === 0) return changes
  const surroundings: Surroundings = { outerFacts: context.facts(graph), outerConstant: value => context.constant(graph, value) }
  let inside = 0
  for (const each of inner) inside += await runInside(pass, each, { ...options, surroundings })
  // What the subgraphs read from this graph may have changed.
  if (inside > 0) graph.setNodes(graph.nodes)
  changes += inside
  return changes
}
