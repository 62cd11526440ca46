import type { Engine, Session } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Model } from '../../graph/graph.js'
import { writeModel } from '../../graph/onnx/write.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Shapes } from '../placement/shapes.js'
import { Accumulator } from './accumulate.js'
import { addReductions, type Reduced } from './add-reductions.js'
import { type RunVectors, takeApart } from './figures.js'
import { sessionThreads } from './session-threads.js'
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

/** Quantiles sort every tensor, so one sample in this many has them, when there are many: their mean over the samples needs no more. */
const quantileEvery = 4
const manySamples = 64

/**
 * One pass over the samples through the float graph with its reductions: everything that any estimator or algorithm of this quantization needs. Figures are
 * per sample whether samples run one by one or several at a time.
 * @throws ERR_QUANT_NO_SAMPLES, ERR_QUANT_RANGE, ERR_ABORTED
 */
export async function observe(options: ObserveOptions): Promise<Observation> {
  const { shapes, sampleCount, wanted, reference, onProgress } = options
  if (sampleCount === 0) throw new QuantdError('ERR_QUANT_NO_SAMPLES', 'no calibration samples')
  const accumulator = new Accumulator({ wanted, shapes, sampleCount })
  const answers = new Map<number, Tensor>()
  let done = 0
  for (const { reducers, indices } of passes(wanted, sampleCount)) {
    await pass({ ...options, wanted: { ...wanted, reducers } }, indices, (run, { vectors, answer }) => {
      accumulator.add(run, vectors)
      if (answer !== undefined) for (const [at, row] of unstack(answer, run.length).entries()) answers.set(run[at]!, row)
      done += run.length
      onProgress?.(done / sampleCount)
    })
  }
  const kept = Array.from({ length: Math.min(reference.count, sampleCount) }, (_, index) => answers.get(index)!)
  return { statistics: accumulator.finish(), reference: kept }
}

interface Pass {
  readonly reducers: StatisticsWanted['reducers']
  readonly indices: readonly number[]
}

function passes({ reducers }: StatisticsWanted, sampleCount: number): readonly Pass[] {
  const all = Array.from({ length: sampleCount }, (_, index) => index)
  if (!reducers.includes('quantile') || sampleCount < manySamples) return [{ reducers, indices: all }]
  const sorted: Pass = { reducers, indices: all.filter(index => index % quantileEvery === 0) }
  if (!reducers.includes('extremes')) return [sorted]
  return [sorted, { reducers: ['extremes'], indices: all.filter(index => index % quantileEvery !== 0) }]
}

interface Answered {
  readonly vectors: RunVectors
  /** The reference output of the samples of the run, where it is kept. */
  readonly answer: Tensor | undefined
}

async function pass(options: ObserveOptions, indices: readonly number[], take: (run: readonly number[], answered: Answered) => void) {
  const { model, shapes, samples, batch, wanted, engine, threads, reference, signal } = options
  const reductions = addReductions({ model, shapes, wanted, feeding: batch > 1 ? 'batch' : 'sample' })
  const session = await engine.open(writeModel(reductions.model), {
    threads: sessionThreads(shapes, threads),
    optimization: 'all',
    memory: 'lean',
  })
  const run = async (which: readonly number[], feed: Feed) => {
    const kept = which[0]! < reference.count ? reference.output : undefined
    take(which, await reduced(session, reductions, { feed, kept, sampleCount: which.length }))
  }
  try {
    const runs = Array.from({ length: Math.ceil(indices.length / batch) }, (_, at) => indices.slice(at * batch, (at + 1) * batch))
    let reading = readSamples(samples, runs[0] ?? [])
    for (const [at, which] of runs.entries()) {
      if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
      const read = await reading
      // The engine computes on this thread: the next samples are read beside it.
      reading = readSamples(samples, runs[at + 1] ?? [])
      reading.catch(() => {}) // awaited in the next round; without this one that aborts or fails before would be reported twice
      const stacked = stackSamples(read)
      if (stacked !== undefined) await run(which, stacked)
      else for (const [position, sample] of read.entries()) await run([which[position]!], sample.inputs)
    }
  } finally {
    await session.close()
  }
}

type Feed = Readonly<Record<string, Tensor>>

async function reduced(
  session: Session,
  { output, pieces }: Reduced,
  { feed, kept, sampleCount }: { readonly feed: Feed; readonly kept: string | undefined; readonly sampleCount: number },
): Promise<Answered> {
  const wanted = [output, kept].filter(name => name !== undefined)
  const result = wanted.length === 0 ? {} : await session.infer(feed, wanted)
  const vectors = output === undefined ? {} : takeApart(result[output]!.data as Float32Array, pieces, sampleCount)
  return { vectors, answer: kept === undefined ? undefined : result[kept] }
}
