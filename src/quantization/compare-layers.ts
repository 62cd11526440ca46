import type { Engine } from '../engines/engine.js'
import { redirectReads } from '../graph/edit.js'
import { Graph, type Model } from '../graph/graph.js'
import { changeNode, int, makeNode, type Node } from '../graph/node.js'
import { writeModel } from '../graph/onnx/write.js'
import { constant, scalar } from '../graph/tensor/tensor.js'
import type { SampleSource } from '../samples/sample.js'
import type { Placement } from './placement/placement.js'
import type { Range } from './ranges/affine.js'
import { readSamples, stackSamples } from './statistics/stack-samples.js'

export interface CompareLayersOptions {
  readonly float: Model
  readonly int8: Model
  readonly placement: Placement
  readonly samples: SampleSource
  readonly sampleCount: number
  /** Samples per run (`batchSize`). */
  readonly batch: number
  readonly engine: Engine
  readonly threads: number
}

/** Name under which a value of the float model stands beside the same value of the int8 model. */
const beside = (value: string) => `quantd/float/${value}`

/**
 * Noise over signal at the output of every integer operator, by the name of its node: both models run side by side in one session, and only two sums per
 * operator leave it. Noise is what has gathered on the way there, not what the operator alone adds.
 */
export async function compareLayers(options: CompareLayersOptions): Promise<Map<string, number>> {
  const { float, int8, placement, samples, sampleCount, batch, engine, threads } = options
  const pairs = [...placement.units.values()].map(unit => ({ name: unit.main.name, ...comparedOf(placement, unit.outputs[0]!) }))
  if (pairs.length === 0) return new Map()
  const { model, sums } = merged({ float, int8, compared: pairs })
  const session = await engine.open(writeModel(model), { threads, optimization: 'all', memory: 'lean' })
  const totals = new Float64Array(2 * pairs.length)
  try {
    for (let start = 0; start < sampleCount; start += batch) {
      const read = await readSamples(
        samples,
        Array.from({ length: Math.min(batch, sampleCount - start) }, (_, at) => start + at),
      )
      const stacked = stackSamples(read)
      for (const feed of stacked === undefined ? read.map(({ inputs }) => inputs) : [stacked]) {
        const { data } = (await session.infer(feed, [sums]))[sums]!
        for (let i = 0; i < totals.length; i += 1) totals[i]! += Number(data[i])
      }
    }
  } finally {
    await session.close()
  }
  return new Map(pairs.map(({ name }, index) => [name, totals[2 * index]! / Math.max(totals[2 * index + 1]!, Number.MIN_VALUE)]))
}

interface Compared {
  readonly value: string
  /** Interval outside of which nobody tells values apart: what is cut off there is no noise. */
  readonly clip: Range | undefined
}

const comparedOf = ({ quantizers }: Placement, value: string): Compared => ({ value, clip: quantizers.get(value)?.clip })

/** One graph that holds both models on the same inputs and answers with [noise, signal] of each of `compared`, as sums of squares. */
function merged({ float, int8, compared }: { float: Model; int8: Model; compared: readonly Compared[] }): {
  readonly model: Model
  readonly sums: string
} {
  const names = new Map(
    float.graph.nodes.flatMap(node => node.outputs.filter(output => output !== '').map(output => [output, beside(output)] as const)),
  )
  const renamed = float.graph.clone()
  renamed.setNodes(
    renamed.nodes.map(node =>
      changeNode(node, { name: beside(node.name), outputs: node.outputs.map(output => names.get(output) ?? output) }),
    ),
  )
  redirectReads(renamed, names)
  const nodes: Node[] = [...renamed.nodes, ...int8.graph.nodes]
  const graph = new Graph({
    name: int8.graph.name,
    nodes,
    inputs: int8.graph.inputs,
    outputs: [],
    initializers: new Map([...renamed.initializers, ...int8.graph.initializers]),
  })
  const one = graph.addConstant('quantd/one', constant('int64', [1], BigInt64Array.of(1n)))
  const add = (opType: string, inputs: readonly string[], attributes = {}) => {
    const output = graph.uniqueName(`quantd/${opType}`)
    nodes.push(makeNode({ name: output, opType, inputs, outputs: [output], attributes }))
    return output
  }
  const sumOfSquares = (value: string) => add('Reshape', [add('ReduceSumSquare', [value], { keepdims: int(0) }), one])
  const limit = (value: number) => graph.addConstant('quantd/limit', scalar('float32', Float32Array.of(value)))
  const clipped = (value: string, { low, high }: Range) =>
    add('Clip', [value, Number.isFinite(low) ? limit(low) : '', Number.isFinite(high) ? limit(high) : ''])
  const vectors = compared.flatMap(({ value, clip }) => {
    const [ours, theirs] = clip === undefined ? [value, beside(value)] : [clipped(value, clip), clipped(beside(value), clip)]
    return [sumOfSquares(add('Sub', [ours, theirs])), sumOfSquares(theirs)]
  })
  const sums = add('Concat', vectors, { axis: int(0) })
  graph.setNodes(nodes)
  graph.setOutputs([{ name: sums, dtype: 'float32', shape: [undefined] }])
  return { model: { ...int8, graph }, sums }
}

/**
 * What each convolution and matrix product adds to the noise that reaches it, as noise over signal: its own less the largest among its inputs, and the same
 * of the operators between it and the next product, which would be float if it were. Those whose weights or range fit badly stand out.
 */
export function addedNoise(placement: Placement, noise: ReadonlyMap<string, number>): Map<string, number> {
  const arrived = new Map<string, { readonly noise: number; readonly owners: ReadonlySet<string> }>()
  const added = new Map<string, number>()
  for (const unit of placement.units.values()) {
    const { name } = unit.main
    const sources = unit.data.flatMap(value => arrived.get(value) ?? [])
    const own = noise.get(name) ?? 0
    const product = unit.form === 'linear' || unit.form === 'dynamic-matmul'
    const owners = product ? new Set([name]) : new Set(sources.flatMap(source => [...source.owners]))
    const gained = Math.max(0, own - Math.max(0, ...sources.map(source => source.noise)))
    for (const owner of owners) added.set(owner, (added.get(owner) ?? 0) + gained)
    for (const output of unit.outputs) arrived.set(output, { noise: own, owners })
  }
  return added
}
