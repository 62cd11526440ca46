import type { Engine, Session } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Model } from '../../graph/graph.js'
import { writeModel } from '../../graph/onnx/write.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Shapes } from '../placement/shapes.js'
import { Accumulator, type RunVectors } from './accumulate.js'
import { addReductions, type ReductionOutputs } from './add-reductions.js'
import { readSamples, stackSamples, unstack } from './stack-samples.js'
import type { Statistics, StatisticsWanted } from './statistics.js'

export interface ObserveOptions {
  readonly model: Model
  readonly shapes: Shapes
  readonly samples: SampleSource
  /** Samples read, from the first. */
  readonly sampleCount: number
  /** Samples per run (`batchSize`). */
  readonly batch: number
  readonly wanted: StatisticsWanted
  readonly engine: Engine
  readonly threads: number
  /** The output of the float model whose answers to the first `count` samples are kept: what candidates are held to. */
  readonly reference: { readonly output: string; readonly count: number }
  readonly onProgress?: (share: number) => void
  readonly signal?: AbortSignal
}

export interface Observation {
  readonly statistics: Statistics
  /** One answer per sample, from the first. */
  readonly reference: readonly Tensor[]
}

/**
 * One pass over the samples through the float graph with its reductions: everything that any estimator or algorithm of this quantization needs. Figures are
 * per sample whether samples run one by one or several at a time.
 * @throws ERR_QUANT_NO_SAMPLES, ERR_QUANT_RANGE, ERR_ABORTED
 */
export async function observe(options: ObserveOptions): Promise<Observation> {
  const { model, shapes, samples, sampleCount, batch, wanted, engine, threads, reference, onProgress, signal } = options
  if (sampleCount === 0) throw new QuantdError('ERR_QUANT_NO_SAMPLES', 'no calibration samples')
  const observed = addReductions({ model, shapes, wanted, feeding: batch > 1 ? 'batch' : 'sample' })
  const session = await engine.open(writeModel(observed.model), { threads, optimization: 'all' })
  const accumulator = new Accumulator(
    wanted,
    wanted.means.map(({ value, axis }) => shapes.get(value)![axis]!),
  )
  const kept: Tensor[] = []
  const run = async (count: number, feed: Feed) => {
    const { vectors, answer } = await reduced(session, observed.outputs, feed, kept.length < reference.count ? reference.output : undefined)
    accumulator.add(count, vectors)
    if (answer !== undefined) kept.push(...unstack(answer, count))
  }
  try {
    for (let index = 0; index < sampleCount; index += batch) {
      if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
      const read = await readSamples(samples, index, Math.min(index + batch, sampleCount))
      const stacked = stackSamples(read)
      if (stacked !== undefined) await run(read.length, stacked)
      else for (const sample of read) await run(1, sample.inputs)
      onProgress?.(Math.min(1, (index + batch) / sampleCount))
    }
  } finally {
    await session.close()
  }
  const statistics = accumulator.finish()
  return { statistics, reference: kept.slice(0, reference.count) }
}

type Feed = Readonly<Record<string, Tensor>>

async function reduced(session: Session, outputs: ReductionOutputs, feed: Feed, kept: string | undefined) {
  const names = { extremes: outputs.extremes, quantile: outputs.quantiles, means: outputs.means }
  const wanted = [...Object.values(names), kept].filter(name => name !== undefined)
  const result = wanted.length === 0 ? {} : await session.infer(feed, wanted)
  const vectors: RunVectors = Object.fromEntries(
    Object.entries(names).flatMap(([key, name]) => (name === undefined ? [] : [[key, result[name]!.data as Float32Array]])),
  )
  return { vectors, answer: kept === undefined ? undefined : result[kept] }
}
