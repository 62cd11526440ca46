import type { Graph, Model } from '../graph.js'
import { factRules } from '../ops/catalog.js'
import { type Facts, inferFacts } from '../ops/facts.js'
import type { ConstantTensor, Tensor } from '../tensor/tensor.js'

/** Phases in the order they run. */
export const phases = ['import', 'fold', 'canonical', 'fuse', 'clean-up'] as const
export type Phase = (typeof phases)[number]

/** Runs a model without inputs once and gives its outputs by name: ONNX Runtime in an engine worker, as the caller has it. */
export type Evaluate = (model: Model) => Promise<ReadonlyMap<string, Tensor>>

export interface PassContext {
  /** ai.onnx version of the model. */
  readonly opset: number
  readonly evaluate: Evaluate
  /** A name for a value or node that the whole model, subgraphs included, does not use yet. */
  readonly uniqueName: (base: string) => string
  /** The constant behind a value of `graph` or of a graph around it. */
  readonly constant: (graph: Graph, value: string) => ConstantTensor | undefined
  readonly facts: (graph: Graph) => (value: string) => Facts
}

/** One rewrite. `apply` changes `graph` (not its subgraphs), finishes by itself (a second run makes no change) and returns how many changes it made. */
export interface Pass {
  readonly name: string
  readonly phase: Phase
  /** Passes of the same phase that run before it. */
  readonly after?: readonly string[]
  readonly apply: (graph: Graph, context: PassContext) => number | Promise<number>
}

export function definePass<const T extends Pass>(pass: T): T {
  return Object.freeze(pass)
}

/** Adds a constant under a name that the whole model does not use yet, and returns the name. */
export function addConstant(graph: Graph, { uniqueName }: PassContext, { base, tensor }: { base: string; tensor: ConstantTensor }): string {
  const name = uniqueName(base)
  graph.initializers.set(name, tensor)
  return name
}

export interface Surroundings {
  readonly outerFacts: ((value: string) => Facts) | undefined
  readonly outerConstant: (value: string) => ConstantTensor | undefined
}

export const noSurroundings: Surroundings = { outerFacts: undefined, outerConstant: () => undefined }

/** The context of passes on a graph that stands in `surroundings`. */
export function passContext(
  { opset, evaluate, root }: { opset: number; evaluate: Evaluate; root: Graph },
  { outerFacts, outerConstant }: Surroundings = noSurroundings,
): PassContext {
  return {
    opset,
    evaluate,
    uniqueName: base => root.uniqueName(base),
    constant: (graph, value) => graph.initializers.get(value) ?? outerConstant(value),
    facts: graph => inferFacts(graph, { opset, rules: factRules, ...(outerFacts === undefined ? {} : { outer: outerFacts }) }),
  }
}
