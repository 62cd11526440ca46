import { QuantdError } from '../../errors.js'
import { cloneDeep, unshadow } from '../edit.js'
import type { Graph, Model } from '../graph.js'
import type { Node } from '../node.js'
import { factRules } from '../ops/catalog.js'
import { type Facts, inferFacts } from '../ops/facts.js'
import { subgraphsOf } from '../verify.js'
import { upgrades } from './upgrades/catalog.js'
import { unchangedOps } from './upgrades/unchanged.js'
import { cannotUpgrade, type Upgrade } from './upgrades/upgrade.js'

/** The operator set that upgrades lead to. */
export const liftedOpset = 17
/** ai.onnx 17 came with IR 8. */
const liftedIrVersion = 8

const upgradeOf: ReadonlyMap<string, Upgrade> = new Map(upgrades.flatMap(upgrade => upgrade.ops.map(op => [op, upgrade] as const)))

/**
 * The model in ai.onnx 17, with equal outputs; a model of 17 or later comes back as it is. Subgraphs are lifted too. `model` is not changed.
 * @throws ERR_ONNX_UPGRADE naming a node whose operator has no known equal form there, or a local function written for an older set
 */
export function liftOpset(model: Model): Model {
  const opset = model.opsets.get('')
  if (opset === undefined || opset >= liftedOpset) return model
  for (const { name, opsetImport } of model.source?.functions ?? []) {
    const older = opsetImport.find(({ domain, version }) => (domain === '' || domain === 'ai.onnx') && Number(version) < liftedOpset)
    if (older !== undefined) {
      throw new QuantdError('ERR_ONNX_UPGRADE', `function '${name}' is written for ai.onnx ${older.version}; functions are not lifted`, {
        details: { function: name, opset: Number(older.version) },
      })
    }
  }
  const graph = unshadow(cloneDeep(model.graph))
  if (model.irVersion < 4) graph.defaults = []
  liftGraph(graph, { opset, root: graph, outer: undefined })
  return {
    ...model,
    irVersion: Math.max(model.irVersion, liftedIrVersion),
    opsets: new Map([...model.opsets, ['', liftedOpset]]),
    graph,
  }
}

interface Scope {
  readonly opset: number
  /** The main graph: names are made unique in all of the model. */
  readonly root: Graph
  readonly outer: ((value: string) => Facts) | undefined
}

function liftGraph(graph: Graph, { opset, root, outer }: Scope): void {
  const facts = inferFacts(graph, { opset, rules: factRules, ...(outer === undefined ? {} : { outer }) })
  const addConstant: (base: string, tensor: Parameters<Graph['addConstant']>[1]) => string = (base, tensor) => {
    const name = root.uniqueName(base)
    graph.initializers.set(name, tensor)
    return name
  }
  const lifted = graph.nodes.flatMap((node): readonly Node[] => {
    for (const inner of subgraphsOf(node)) liftGraph(inner, { opset, root, outer: facts })
    if (node.domain !== '') return [node]
    const upgrade = upgradeOf.get(node.opType)
    if (upgrade !== undefined && (node.inputs.length === 0 || node.outputs.length === 0))
      throw cannotUpgrade(node, opset, 'it has no input or no output')
    if (upgrade !== undefined) return upgrade.apply(node, { opset, facts, addConstant, uniqueName: base => root.uniqueName(base) })
    if (!unchangedOps.has(node.opType)) throw cannotUpgrade(node, opset, 'the operator is unknown to later sets')
    return [node]
  })
  graph.setNodes(lifted)
}
