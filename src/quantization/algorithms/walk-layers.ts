import type { Engine } from '../../engines/engine.js'
import { invariant } from '../../errors.js'
import { Graph, type Model } from '../../graph/graph.js'
import { changeNode, isOp, makeNode, type Node } from '../../graph/node.js'
import { constant, constantData, elementCount, type Tensor } from '../../graph/tensor/tensor.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Placement } from '../placement/placement.js'
import type { Shapes } from '../placement/shapes.js'
import type { Unit } from '../placement/unit.js'
import { readSamples, stackSamples } from '../statistics/stack-samples.js'
import { type Feed, StagedRun } from '../statistics/staged-run.js'
import type { QuantizedWeights } from './quantize-weights.js'

/** A candidate's models and the samples that its layers are walked with. */
export interface WalkOptions {
  /** The float model. */
  readonly model: Model
  readonly shapes: Shapes
  /** The QDQ model of the candidate (`lower`), its linear units under the names of the float model. */
  readonly lowered: Model
  readonly placement: Placement
  readonly samples: SampleSource
  /** Samples walked with, from the first; fewer where their activations would take too much memory. */
  readonly sampleCount: number
  /** Samples per run (`batchSize`). */
  readonly batch: number
  readonly engine: Engine
  readonly threads: number
  readonly onProgress?: (share: number) => void
  readonly signal?: AbortSignal
}

/** A linear unit on its turn: everything before it is settled. Tensors per run, one sample each or several stacked. */
export interface WalkedLayer {
  readonly unit: Unit
  /** What it reads in the quantized model, where every layer before it has its final weights and bias. */
  readonly inputs: readonly Tensor[]
  /** What it gives in the float model, bias included, activation not. */
  readonly outputs: readonly Tensor[]
  /** The operator over `inputs` with these weights and this bias. */
  readonly compute: (settled: SettledLayer) => Promise<readonly Tensor[]>
}

/** What a layer computes with from its turn on: its codes, its bias as one number per output channel. */
export interface SettledLayer {
  readonly weights: QuantizedWeights
  readonly bias: Float64Array
}

/** Bytes of activations that the samples may keep in memory, in both models together. */
const walkedBytes = 96 * 2 ** 20
/** Values that live at the same time, counted in the largest one of either model. */
const liveValues = 4

/** Samples that a walk may take, at most `wanted`. */
export function walkedSamples(shapes: Shapes, wanted: number): number {
  const largest = Math.max(1, ...[...shapes.values()].map(elementCount))
  return Math.max(1, Math.min(wanted, Math.floor(walkedBytes / (2 * liveValues * 4 * largest))))
}

/** The first `count` samples in runs of `batch`, stacked where they stack. */
export async function feedsOf(samples: SampleSource, count: number, batch: number): Promise<Feed[]> {
  const feeds: Feed[] = []
  for (let start = 0; start < count; start += batch) {
    const read = await readSamples(
      samples,
      Array.from({ length: Math.min(batch, count - start) }, (_, at) => start + at),
    )
    const stacked = stackSamples(read)
    feeds.push(...(stacked === undefined ? read.map(({ inputs }) => inputs) : [stacked]))
  }
  return feeds
}

/**
 * Visits the linear units in graph order, float and quantized model side by side over a few samples; what `settle` gives for a unit is what all later ones
 * see of it (quantization.md 4.5). Every operator runs once per sample in either model, and activations are dropped when no later layer needs them.
 */
export async function walkLayers(options: WalkOptions, settle: (layer: WalkedLayer) => Promise<SettledLayer>): Promise<void> {
  const { model, lowered, placement, shapes, samples, batch, onProgress, signal } = options
  const units = [...placement.units.values()].filter(({ form }) => form === 'linear')
  const count = walkedSamples(shapes, options.sampleCount)
  const feeds = await feedsOf(samples, count, batch)
  const simulated = { ...lowered, graph: lowered.graph.clone() }
  const places = units.map(unit => placeOf(simulated.graph, unit))
  const run = { feeds, engine: options.engine, threads: options.threads, ...(signal === undefined ? {} : { signal }) }
  const float = new StagedRun({ ...run, model, targets: units.map(floatOutput) })
  const quantized = new StagedRun({ ...run, model: simulated, targets: places.map(({ data }) => data) })
  for (const [index, unit] of units.entries()) {
    const { name, data, result } = places[index]!
    const inputs = await quantized.valuesOf(data)
    const outputs = await float.valuesOf(floatOutput(unit))
    const compute = async (settled: SettledLayer): Promise<readonly Tensor[]> => {
      const graph = new Graph({ name: 'layer', nodes: [], inputs: [], outputs: [] })
      graph.setNodes(settledNodes(graph, { node: nodeNamed(quantized.graph, name), data: 'x', result: 'y', settled }))
      const alone = new StagedRun({ ...run, model: { ...lowered, graph }, feeds: inputs.map(x => ({ x })), targets: ['y'] })
      return alone.valuesOf('y')
    }
    const settled = await settle({ unit, inputs, outputs, compute })
    const { graph } = quantized
    const node = nodeNamed(graph, name)
    const removed = [node, ...graph.nodes.filter(({ outputs }) => outputs.includes(result) && !node.outputs.includes(result))]
    graph.replaceNodes(removed, settledNodes(graph, { node, data, result, settled }))
    float.release(floatOutput(unit))
    quantized.release(data)
    onProgress?.((index + 1) / units.length)
  }
}

/** Where a linear unit stands in the QDQ model: what it reads, and its result with the bias added, before the quantizer behind it. */
function placeOf(graph: Graph, { main }: Unit): { readonly name: string; readonly data: string; readonly result: string } {
  const node = nodeNamed(graph, main.name)
  const result = node.outputs[0]!
  const add = graph.soleConsumer(result)
  const hasBiasBehind = isOp(add, 'Add') && add.name.startsWith(`${main.name}/bias/`)
  return { name: main.name, data: node.inputs[0]!, result: hasBiasBehind ? add.outputs[0]! : result }
}

function nodeNamed(graph: Graph, name: string): Node {
  const node = graph.nodes.find(candidate => candidate.name === name)
  invariant(node !== undefined, `the quantized model has no node '${name}'`)
  return node
}

/** The value in the float model that a unit's product and bias give. */
function floatOutput({ main, bias, folded }: Unit): string {
  return bias !== undefined && isOp(main, 'MatMul') ? folded[0]!.outputs[0]! : main.outputs[0]!
}

interface SettledNodes {
  readonly node: Node
  readonly data: string
  readonly result: string
  readonly settled: SettledLayer
}

/** The product with the floats that its codes stand for, and the bias as an addition of its own. */
function settledNodes(graph: Graph, { node, data, result, settled: { weights, bias } }: SettledNodes): Node[] {
  const weight = graph.addConstant(`${node.name}/settled`, constant('float32', weights.shape, dequantized(weights)))
  const shape = isOp(node, 'Conv') ? [1, bias.length, ...weights.shape.slice(2).map(() => 1)] : [bias.length]
  const addend = graph.addConstant(`${node.name}/settled/bias`, constant('float32', shape, Float32Array.from(bias)))
  const product = graph.uniqueName(`${node.name}/settled/product`)
  return [
    changeNode(node, { inputs: [data, weight], outputs: [product] }),
    makeNode({ name: graph.uniqueName(`${node.name}/settled/add`), opType: 'Add', inputs: [product, addend], outputs: [result] }),
  ]
}

/** The floats that the codes stand for. */
export function dequantized({ codes, scales, shape, axis }: QuantizedWeights): Float32Array {
  const inner = axis === undefined ? codes.length : elementCount(shape.slice(axis + 1))
  return Float32Array.from(codes, (code, index) => code * scales[Math.floor(index / inner) % scales.length]!)
}

/** The float bias of a unit, or zeros. */
export function floatBias({ graph }: Model, { bias }: Unit, channels: number): Float64Array {
  const tensor = bias === undefined ? undefined : graph.constant(bias)
  return tensor === undefined ? new Float64Array(channels) : Float64Array.from(constantData(tensor) as Float32Array)
}
