import type { Engine, OpenOptions, Session } from '../engines/engine.js'
import { errorMessage } from '../errors.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import { logger } from '../log.js'
import type { SampleSource } from '../samples/sample.js'
import { Signal } from './accuracy/signal.js'
import type { TargetEngine } from './contract.js'

const log = logger('quantization')

/** Milliseconds of float below which another engine cannot save what opening it takes. */
const leastMs = 1000
/** Share of its time that another engine may take at most to be worth it. */
const worthShare = 0.9
/** Signal from which on two engines give the same float answer. */
const sameDb = 60
const timedRuns = 3

export interface FasterFloatOptions {
  /** Serialized float model. */
  readonly model: Uint8Array
  /** Runs floats unless another engine is the faster one. */
  readonly engine: Engine
  /** Engines that are open anyway. */
  readonly others: readonly TargetEngine[]
  readonly options: OpenOptions
  /** What float is to answer; how many there are says whether it is worth a look. */
  readonly samples: SampleSource
}

/**
 * Float, open on the engine that answers the samples soonest: each of `others` is timed on the first sample where `engine` would take more than a second for all
 * of them, and taken where it gives the same answers. The caller closes the session. @throws ERR_ENGINE_OPEN, ERR_ENGINE_INFER of `engine`, ERR_SAMPLES_READ
 */
export async function openFasterFloat({ model, engine, others, options, samples }: FasterFloatOptions): Promise<Session> {
  let best = await engine.open(model, options)
  if (samples.count === 0 || others.length === 0) return best
  try {
    const { inputs } = await samples.read(0)
    let { ms, answer } = await timed(best, inputs)
    if (ms * samples.count < leastMs) return best
    for (const other of others) {
      const tried = await openTimed(other, { model, options, inputs })
      if (tried === undefined) continue
      if (tried.ms < worthShare * ms && isSame(answer, tried.answer)) {
        await best.close()
        log.info({ engine: other.engine.name, ms: tried.ms, before: ms }, 'float answers the judge on the faster engine')
        best = tried.session
        ms = tried.ms
        answer = tried.answer
      } else await tried.session.close()
    }
    return best
  } catch (error) {
    await best.close()
    throw error
  }
}

interface Timed {
  readonly ms: number
  readonly answer: Readonly<Record<string, Tensor>>
}

/** Least of a few runs, the first of which prepares kernels. */
async function timed(session: Session, inputs: Readonly<Record<string, Tensor>>): Promise<Timed> {
  let answer = await session.infer(inputs)
  let ms = Number.POSITIVE_INFINITY
  for (let run = 0; run < timedRuns; run += 1) {
    const start = performance.now()
    answer = await session.infer(inputs)
    ms = Math.min(ms, performance.now() - start)
  }
  return { ms, answer }
}

/** Undefined where the engine does not run the model: float is not what it is there for. */
async function openTimed(
  { engine, options: target }: TargetEngine,
  { model, options, inputs }: Pick<FasterFloatOptions, 'model' | 'options'> & { readonly inputs: Readonly<Record<string, Tensor>> },
): Promise<(Timed & { readonly session: Session }) | undefined> {
  let session: Session | undefined
  try {
    session = await engine.open(model, { ...options, ...target, precision: 'float32' })
    return { session, ...(await timed(session, inputs)) }
  } catch (error) {
    await session?.close()
    log.info({ engine: engine.name, error: errorMessage(error) }, 'float does not run there')
    return undefined
  }
}

function isSame(a: Timed['answer'], b: Timed['answer']): boolean {
  return Object.entries(a).every(([name, tensor]) => {
    const other = b[name]
    if (other === undefined || other.shape.join() !== tensor.shape.join()) return false
    const signal = new Signal()
    signal.add(tensor, other)
    return signal.snrDb >= sameDb
  })
}
