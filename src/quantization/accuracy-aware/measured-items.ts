import type { Session } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Sample, SampleSource } from '../../samples/sample.js'
import { metrics } from '../accuracy/catalog.js'
import type { Judging } from '../accuracy/choose-metric.js'
import type { Metric } from '../accuracy/metric.js'
import { compareSignals } from '../accuracy/signal.js'
import { inferAll } from '../statistics/stack-samples.js'
import type { HeldDemand } from './held-demands.js'
import type { Measurement } from './host.js'

export interface MeasuredItemsOptions {
  readonly samples: SampleSource
  readonly judging: Judging
  readonly output: string
  /** Samples per run (`batchSize`). */
  readonly batch: number
  /** What the items are held to, once the first is answered. */
  readonly demandsFor: (first: { readonly float: Tensor; readonly label: Sample['label'] }) => readonly HeldDemand[]
  /** The float model. Closed by `close`. */
  readonly openFloat: () => Promise<Session>
  /** Bytes of samples, and of float answers, that are kept between evaluations; what is beyond is read, and computed, anew. */
  readonly keptBytes?: number
}

const defaultKeptBytes = 64 * 2 ** 20

/** The items that models are held to, with what float answers to them: asked of the float model once, as far as memory goes. */
export class MeasuredItems {
  readonly #options: MeasuredItemsOptions
  readonly #samples: Kept<Sample>
  readonly #answers: Kept<Tensor>
  #float: Session | undefined
  #demands: readonly HeldDemand[] | undefined

  constructor(options: MeasuredItemsOptions) {
    const { keptBytes = defaultKeptBytes } = options
    this.#options = options
    this.#samples = new Kept(keptBytes, ({ inputs }) => Object.values(inputs).reduce((sum, tensor) => sum + bytesOf(tensor), 0))
    this.#answers = new Kept(keptBytes, bytesOf)
  }

  get count(): number {
    return this.#options.samples.count
  }

  /** @throws ERR_QUANT_METRIC */
  async demands(): Promise<readonly HeldDemand[]> {
    if (this.#demands !== undefined) return this.#demands
    const [{ label }] = (await this.#read([0])) as [Sample]
    const [float] = (await this.#floatAnswers([0])) as [Tensor]
    this.#demands = this.#options.demandsFor({ float, label })
    return this.#demands
  }

  /** The float model's own answers. */
  float(signal?: AbortSignal): Promise<Omit<Measurement, 'openMs' | 'itemsMs'>> {
    return this.#measure(this.#all(), { answer: (_, float) => Promise.resolve(float as readonly Tensor[]), float: 'all' }, signal)
  }

  /**
   * @param indices which items; undefined = all, and where no metric looks at float, noise and distances are those of the items whose float answers were kept
   * (NaN for the others): to compute the others anew would take longer than int8 itself
   */
  int8(session: Session, indices: readonly number[] | undefined, signal?: AbortSignal): Promise<Omit<Measurement, 'openMs' | 'itemsMs'>> {
    const answer = (read: readonly Sample[]) => inferAll(session, read, this.#options.output)
    return this.#measure(indices ?? this.#all(), { answer, float: indices === undefined ? 'wanted' : 'all' }, signal)
  }

  async close(): Promise<void> {
    const session = this.#float
    this.#float = undefined
    await session?.close()
  }

  #all(): readonly number[] {
    return Array.from({ length: this.count }, (_, index) => index)
  }

  async #measure(
    indices: readonly number[],
    { answer, float: extent }: Answering,
    signal: AbortSignal | undefined,
  ): Promise<Omit<Measurement, 'openMs' | 'itemsMs'>> {
    const { batch, judging } = this.#options
    const demands = await this.demands()
    const tallies = demands.map(({ metric }) => metric.start())
    const figures = demands.map(() => new Float64Array(indices.length))
    const distances = new Float64Array(indices.length)
    const alphabet = judging.alphabet ?? []
    const all = extent === 'all' || demands.some(looksAtFloat)
    let [signalEnergy, noiseEnergy] = [0, 0]
    for (let start = 0; start < indices.length; start += batch) {
      if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'accuracy-aware quantization aborted', { cause: signal.reason })
      const run = indices.slice(start, start + batch)
      const read = await this.#read(run)
      const float = all ? await this.#floatAnswers(run) : run.map(index => this.#answers.get(index))
      const answers = await answer(read, float)
      for (const [at, output] of answers.entries()) {
        const wanted = float[at]
        // A metric of ours that is held to labels looks at nothing else.
        const item = { output, float: wanted ?? output, alphabet }
        for (const [metric, { by }] of demands.entries()) {
          const label = by === 'labels' ? read[at]!.label : undefined
          figures[metric]![start + at] = tallies[metric]!.add({ ...item, label })
        }
        distances[start + at] = Number.NaN
        if (wanted === undefined) continue
        const { signal: energy, noise } = compareSignals(wanted, output)
        distances[start + at] = noise / Math.max(energy, Number.MIN_VALUE)
        signalEnergy += energy
        noiseEnergy += noise
      }
    }
    return {
      // What the items do not define (AUC with one kind of label only) decides nothing: it is 0 for float and int8 alike.
      values: tallies.map(tally => tally.value() || 0),
      noise: noiseEnergy / Math.max(signalEnergy, Number.MIN_VALUE),
      figures,
      distances,
    }
  }

  async #read(run: readonly number[]): Promise<readonly Sample[]> {
    const { samples } = this.#options
    return Promise.all(run.map(index => this.#samples.get(index) ?? samples.read(index).then(sample => this.#samples.keep(index, sample))))
  }

  async #floatAnswers(run: readonly number[]): Promise<readonly Tensor[]> {
    const known = run.map(index => this.#answers.get(index))
    if (known.every(tensor => tensor !== undefined)) return known
    this.#float ??= await this.#options.openFloat()
    const answers = await inferAll(this.#float, await this.#read(run), this.#options.output)
    for (const [at, index] of run.entries()) this.#answers.keep(index, answers[at]!)
    return answers
  }
}

interface Answering {
  readonly answer: (read: readonly Sample[], float: readonly (Tensor | undefined)[]) => Promise<readonly Tensor[]>
  /** `wanted`: only where a metric asks for it, or it was kept. */
  readonly float: 'all' | 'wanted'
}

/** Modules of the user may look at whatever an item holds. */
const looksAtFloat = ({ by, metric }: HeldDemand): boolean => by === 'float' || !(metrics as readonly Metric[]).includes(metric)

/** What was seen first stays, up to a number of bytes. */
class Kept<T> {
  readonly #byIndex = new Map<number, T>()
  readonly #sizeOf: (value: T) => number
  #left: number

  constructor(bytes: number, sizeOf: (value: T) => number) {
    this.#left = bytes
    this.#sizeOf = sizeOf
  }

  get(index: number): T | undefined {
    return this.#byIndex.get(index)
  }

  keep(index: number, value: T): T {
    const size = this.#sizeOf(value)
    if (size <= this.#left && !this.#byIndex.has(index)) {
      this.#left -= size
      this.#byIndex.set(index, value)
    }
    return value
  }
}

const bytesOf = ({ data }: Tensor): number => data.byteLength
