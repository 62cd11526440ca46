import type { Engine } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import { type BranchName, branchNames, branchOf, refoldBranch, type UnfoldedBranch, unfoldBranch } from '../../graph/branches.js'
import { type Graph, type Model, readsOf } from '../../graph/graph.js'
import { int, isOp, makeNode, type Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import { subgraphsOf } from '../../graph/verify.js'
import type { SampleSource } from '../../samples/sample.js'

export interface TakeBranchesOptions {
  /** As it was prepared. */
  readonly model: Model
  readonly samples: SampleSource
  /** Samples asked, from the first. */
  readonly sampleCount: number
  readonly engine: Engine
  readonly signal?: AbortSignal
}

/** A model without the Ifs that hold its layers: what quantization works on in place of it. */
export interface TakenBranches {
  /** The model as the samples run it. The model itself where no If holds layers. */
  readonly model: Model
  /** Which samples run it so; the others take another branch somewhere. */
  readonly sampleIndices: readonly number[]
  /** Puts the Ifs back around what became of `model`. */
  readonly refold: (lowered: Model) => Model
  /** Which branches were taken and which stay float. */
  readonly notes: readonly string[]
}

/** Operators with weights, for whose sake a branch is looked into. */
const weighted = ['Conv', 'ConvTranspose', 'Gemm', 'GRU', 'LSTM', 'MatMul', 'RNN'] as const

/**
 * Looks into each If of the main graph that holds layers, nested ones after those around them: the branch that most samples take comes into the main graph, the
 * other stays as it is. Conditions are asked of the engine for every sample.
 * @throws ERR_ENGINE_*, ERR_ABORTED
 */
export async function takeBranches(options: TakeBranchesOptions): Promise<TakenBranches> {
  const { sampleCount } = options
  let { model } = options
  let sampleIndices: readonly number[] = Array.from({ length: sampleCount }, (_, index) => index)
  const unfolded: UnfoldedBranch[] = []
  const notes: string[] = []
  for (;;) {
    const nodes = model.graph.nodes.filter(holdsLayers)
    if (nodes.length === 0) break
    const conditions = await askConditions({ ...options, model }, nodes, sampleIndices)
    for (const [at, node] of nodes.entries()) {
      const flags = conditions.map(row => row[at]!)
      const yes = flags.filter(Boolean).length
      const flag = 2 * yes >= flags.length
      const taken = branchNames[flag ? 0 : 1]
      const count = flag ? yes : flags.length - yes
      const step = unfoldBranch(model, node, taken)
      model = step.model
      unfolded.push(step.unfolded)
      notes.push(noteOf(node, { taken, count, of: flags.length }))
      const keep = new Set(sampleIndices.filter((_, row) => conditions[row]![at] === flag))
      // Ifs of this round that the left-out samples also answered are asked again in the next.
      if (keep.size < sampleIndices.length) {
        sampleIndices = sampleIndices.filter(index => keep.has(index))
        break
      }
    }
  }
  return { model, sampleIndices, refold: lowered => unfolded.reduceRight((whole, step) => refoldBranch(whole, step), lowered), notes }
}

function noteOf(node: Node, { taken, count, of }: { taken: BranchName; count: number; of: number }): string {
  const [inside, other] = taken === 'then_branch' ? ['then', 'else'] : ['else', 'then']
  const who = count === of ? 'all calibration samples take' : `${count} of ${of} calibration samples, which alone are calibrated on, take`
  return `${who} the ${inside} branch of '${node.name}': its layers are quantized, those of the ${other} branch stay float`
}

/** True for an If with layers in either branch, however deep. */
const holdsLayers = (node: Node): boolean =>
  isOp(node, 'If') && branchNames.every(name => branchOf(node, name) !== undefined) && subgraphsOf(node).some(hasWeights)

const hasWeights = (graph: Graph): boolean =>
  graph.nodes.some(node => isOp(node, ...weighted) || (isOp(node, 'If') && subgraphsOf(node).some(hasWeights)))

/** Per sample of `indices`: the condition of each of `nodes`. */
async function askConditions(
  { model, samples, engine, signal }: TakeBranchesOptions,
  nodes: readonly Node[],
  indices: readonly number[],
): Promise<(readonly boolean[])[]> {
  const names = nodes.map(node => node.inputs[0]!)
  const session = await engine.open(writeModel(conditionModel(model, names)), { threads: 1, optimization: 'basic' })
  try {
    const inputs = session.inputs.map(({ name }) => name)
    const rows: (readonly boolean[])[] = []
    for (const index of indices) {
      if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
      const sample = await samples.read(index)
      const answers = await session.infer(
        Object.fromEntries(inputs.flatMap(name => (name in sample.inputs ? [[name, sample.inputs[name]!]] : []))),
      )
      rows.push(names.map(name => Number(answers[outputOf(name)]!.data[0]) !== 0))
    }
    return rows
  } finally {
    await session.close()
  }
}

/** TensorProto.DataType. */
const onnxInt32 = 6

const outputOf = (condition: string) => `quantd/condition/${condition}`

/** The part of the model that computes `conditions`. */
function conditionModel(model: Model, conditions: readonly string[]): Model {
  const graph = model.graph.clone()
  const unique = [...new Set(conditions)]
  const needed = new Set<Node>()
  const visit = (value: string): void => {
    const node = graph.producer(value)
    if (node === undefined || needed.has(node)) return
    needed.add(node)
    for (const read of readsOf(node)) visit(read)
  }
  for (const value of unique) visit(value)
  graph.setNodes([
    ...graph.nodes.filter(node => needed.has(node)),
    ...unique.map(value =>
      makeNode({ name: outputOf(value), opType: 'Cast', inputs: [value], outputs: [outputOf(value)], attributes: { to: int(onnxInt32) } }),
    ),
  ])
  graph.setOutputs(unique.map(value => ({ name: outputOf(value), dtype: 'int32', shape: undefined })))
  const read = new Set(graph.nodes.flatMap(readsOf))
  for (const name of graph.initializers.keys()) if (!read.has(name)) graph.initializers.delete(name)
  return { ...model, graph }
}
