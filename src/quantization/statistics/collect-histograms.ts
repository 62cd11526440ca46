import type { Engine } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Model } from '../../graph/graph.js'
import { makeNode, type Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import { constant, elementCount } from '../../graph/tensor/tensor.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Shapes } from '../placement/shapes.js'
import { countValues, emptyHistogram, type Histogram } from '../ranges/histogram-counts.js'
import { isSmall, sessionThreads } from './session-threads.js'
import type { Statistics } from './statistics.js'

/** Samples that are looked at, and elements of a value that are counted of each, at most: larger values are read with a stride. */
interface Look {
  readonly samples: number
  readonly elements: number
}

/** Half a million elements of a value tell its distribution. */
const few: Look = { samples: 32, elements: 16384 }
/** Twice the samples for no more time, since less is fetched of each: for a model that was observed on a part of the samples alone. */
const many: Look = { samples: 64, elements: 4096 }
const lookOf = ({ shapes, observedOn }: CollectHistogramsOptions): Look => (observedOn === 'part' && isSmall(shapes) ? many : few)

export interface CollectHistogramsOptions {
  readonly model: Model
  readonly shapes: Shapes
  /** Ranges of the values, as `observe` gathered them; all of these values are counted. */
  readonly statistics: Pick<Statistics, 'ranges' | 'sampleCount'>
  readonly samples: SampleSource
  /** Whether `samples` are all that there are, or those of a trial. */
  readonly observedOn?: 'all' | 'part'
  readonly engine: Engine
  readonly threads: number
  readonly signal?: AbortSignal
}

/**
 * Histograms of all observed values over their outermost ranges, in one pass over at most 64 samples, spread evenly over those that were observed. What leaves
 * the engine per run is at most 64 KiB per value, every n-th element of it. Counting inside the engine by ScatterElements costs more
 * (measured: 14 ns an element, against 3 to fetch it and 3 to count it here), and all elements are more than it takes.
 * @throws ERR_ABORTED
 */
export async function collectHistograms(options: CollectHistogramsOptions): Promise<ReadonlyMap<string, Histogram>> {
  const { shapes, statistics, samples, engine, threads, signal } = options
  const look = lookOf(options)
  const { model, outputs } = withStrides(options, look.elements)
  const histograms = new Map([...outputs.keys()].map(value => [value, emptyHistogram(statistics.ranges.get(value)!['extremes-outermost'])]))
  if (histograms.size === 0) return histograms
  const session = await engine.open(writeModel(model), { threads: sessionThreads(shapes, threads), optimization: 'all', memory: 'lean' })
  try {
    for (const index of spread(statistics.sampleCount, look.samples)) {
      if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
      const { inputs } = await samples.read(index)
      const result = await session.infer(inputs, [...outputs.values()])
      for (const [value, output] of outputs) countValues(histograms.get(value)!, result[output]!.data as Float32Array)
    }
  } finally {
    await session.close()
  }
  return histograms
}

/** At most `wanted` of the numbers below `count`, evenly. */
export function spread(count: number, wanted: number): number[] {
  const taken = Math.min(count, wanted)
  return Array.from({ length: taken }, (_, at) => Math.floor((at * count) / taken))
}

/** `model` with every n-th element of the values as its outputs, flat. */
function withStrides({ model, shapes, statistics }: CollectHistogramsOptions, elements: number) {
  const graph = model.graph.clone()
  const groups: Node[][] = []
  const add = (opType: string, inputs: readonly string[]) => {
    const output = graph.uniqueName(`quantd/${opType}`)
    groups.at(-1)!.push(makeNode({ name: output, opType, inputs, outputs: [output], attributes: {} }))
    return output
  }
  const int64 = (value: number) => graph.addConstant('quantd/int64', constant('int64', [1], BigInt64Array.of(BigInt(value))))
  const [flatShape, start, end] = [int64(-1), int64(0), int64(Number.MAX_SAFE_INTEGER)]
  const outputs = new Map<string, string>()
  for (const value of statistics.ranges.keys()) {
    const stride = strideOf(elementCount(shapes.get(value)!), elements)
    groups.push([])
    const flat = add('Reshape', [value, flatShape])
    outputs.set(value, stride === 1 ? flat : add('Slice', [flat, start, end, start, int64(stride)]))
  }
  // Last to first, so that each value is read as soon as it is there and given back (`addReductions`).
  graph.setNodes([...graph.nodes, ...groups.reverse().flat()])
  graph.setOutputs([...outputs.values()].map(name => ({ name, dtype: 'float32', shape: [undefined] })))
  return { model: { ...model, graph }, outputs }
}

/** Least stride that leaves at most `wanted` of `count` elements and has no divisor in common with it: one that had would always meet the same channels. */
export function strideOf(count: number, wanted: number): number {
  let stride = Math.max(1, Math.ceil(count / wanted))
  while (stride > 1 && greatestDivisor(count, stride) > 1) stride += 1
  return stride
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b))
