import { cloneDeep, mapSubgraphs, unshadow } from '../edit.js'
import type { Graph, Model } from '../graph.js'
import type { Node } from '../node.js'
import { liftOpset } from '../onnx/lift.js'
import { orderedPasses } from './catalog.js'
import type { Evaluate } from './define-pass.js'
import { runPass } from './run-pass.js'

export interface PrepareOptions {
  /** Computes constant parts; called only when there are any. */
  readonly evaluate: Evaluate
  /** Lift models below ai.onnx 14 (HardSwish; QuantizeLinear per channel needs 13) to 17. Default true. */
  readonly lift?: boolean
  /** Verify the graph behind each pass. Default false. */
  readonly verify?: boolean
}

/** First set that has every operator of the canonical forms. */
const canonicalOpset = 14
/** Fusions open ways for others (a sum before a normalization): a few rounds settle every real model. */
const mostRounds = 8

/**
 * The float model that quantization starts from: constants as initializers, lifted to ai.onnx 17 where it is older than 14, constant and shape
 * arithmetic folded, batch normalization, biases and zero padding inside the convolutions, hard swish and global pooling as single nodes, nothing
 * unused. Its outputs equal those of `model` to float rounding; inputs and outputs keep their names. `model` is not changed; declared inputs that
 * only name a constant are no longer inputs.
 * @throws ERR_ONNX_UPGRADE, ERR_GRAPH_PASS, and what `evaluate` throws
 */
export async function prepareModel(model: Model, prepare: PrepareOptions): Promise<Model> {
  const lifted = await foldModel(model, prepare)
  const { graph } = lifted
  const opset = lifted.opsets.get('')
  if (opset === undefined) return lifted
  const options = { opset, evaluate: prepare.evaluate, verify: prepare.verify ?? false }
  for (let round = 0; round < mostRounds; round += 1) {
    let changes = 0
    for (const pass of orderedPasses()) changes += await runPass(pass, graph, options)
    if (changes === 0) break
  }
  return lifted
}

/** The first half of `prepareModel`: an own copy with names for all nodes, constants as initializers, what is constant folded, lifted; nothing is fused. */
export async function foldModel(model: Model, { evaluate, lift = true, verify = false }: PrepareOptions): Promise<Model> {
  const opset = model.opsets.get('')
  const start: Model = { ...model, irVersion: Math.max(model.irVersion, 4), graph: unshadow(namedNodes(cloneDeep(model.graph))) }
  start.graph.defaults = []
  if (opset === undefined) return start
  // Folded first: an upgrade may have to know a scale or a rank that is computed from constants.
  for (const pass of [...orderedPasses('import'), ...orderedPasses('fold')]) await runPass(pass, start.graph, { opset, evaluate, verify })
  return lift && opset < canonicalOpset ? liftOpset(start) : start
}

/** Names that the reader made up become the nodes' own: the report of a quantized model speaks of them. */
function namedNodes(graph: Graph): Graph {
  graph.setNodes(
    graph.nodes.map((node): Node => {
      const inner = mapSubgraphs(node, namedNodes)
      if (inner.nameIsMade !== true) return inner
      const { nameIsMade, ...named } = inner
      return Object.freeze(named)
    }),
  )
  return graph
}
