import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { errorMessage, QuantdError } from '../../errors.js'
import { loadModel } from '../../graph/onnx/load.js'
import type { OperatorTime, Profile, ProfileOptions } from '../engine.js'

/** One line of ONNX Runtime's trace, as far as it matters here: `dur` in whole microseconds, cut off. */
const TraceEvent = z.object({
  cat: z.string(),
  name: z.string(),
  dur: z.number(),
  args: z.object({ op_name: z.string().optional() }).optional(),
})

/** Runs before the first that counts: the first ones allocate. */
const warmUpRuns = 5
/** Share of the slowest and of the fastest runs of an operator that do not count. */
const trimmed = 0.25
/** What the smallest operator of a model takes. */
const leastUs = 0.3
const kernelSuffix = '_kernel_time'

/**
 * What each operator of `artifacts` takes, from ONNX Runtime's own trace: all of them open at once and run in turn, so that what disturbs one disturbs all. The
 * mean of the middle half of the runs, without what tracing itself takes.
 * @throws ERR_ENGINE_OPEN, ERR_ENGINE_INFER
 */
export async function profileModels(artifacts: readonly Uint8Array[], { inputs, threads, runs }: ProfileOptions): Promise<Profile[]> {
  const ort = await import('onnxruntime-node')
  const folder = await mkdtemp(join(tmpdir(), 'quantd-profile-'))
  try {
    const sessions = []
    for (const [at, bytes] of artifacts.entries()) {
      sessions.push(
        await ort.InferenceSession.create(bytes, {
          executionProviders: ['cpu'],
          executionMode: 'sequential',
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          graphOptimizationLevel: 'all',
          optimizedModelFilePath: join(folder, `${at}.onnx`),
          enableProfiling: true,
          profileFilePrefix: join(folder, `${at}-trace`),
          logSeverityLevel: 4,
          extra: { session: { intra_op: { allow_spinning: '0' } } },
        }).catch(error => {
          throw new QuantdError('ERR_ENGINE_OPEN', `model of ${bytes.byteLength} bytes: ${errorMessage(error)}`, { cause: error })
        }),
      )
    }
    const feeds = Object.entries(inputs).map(
      ([name, { dtype, shape, data }]) => [name, new ort.Tensor(dtype as 'float32', data as Float32Array, shape)] as const,
    )
    for (let run = 0; run < warmUpRuns + runs; run += 1) {
      for (const session of run % 2 === 0 ? sessions : sessions.toReversed()) {
        await session.run(Object.fromEntries(feeds.filter(([name]) => session.inputNames.includes(name)))).catch(error => {
          throw new QuantdError('ERR_ENGINE_INFER', errorMessage(error), { cause: error })
        })
      }
    }
    for (const session of sessions) {
      session.endProfiling()
      await session.release()
    }
    const files = await readdir(folder)
    return await Promise.all(
      artifacts.map(async (_, at) => {
        const trace = await readFile(join(folder, files.find(file => file.startsWith(`${at}-trace`))!), 'utf8')
        return { operators: operatorTimes(trace), optimized: loadModel(join(folder, `${at}.onnx`)).graph }
      }),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function operatorTimes(trace: string): OperatorTime[] {
  const times = new Map<string, { opType: string; list: number[] }>()
  for (const event of JSON.parse(trace) as unknown[]) {
    const { cat, name, dur, args } = TraceEvent.safeParse(event).data ?? { cat: '', name: '', dur: 0 }
    if (cat !== 'Node' || !name.endsWith(kernelSuffix)) continue
    const node = name.slice(0, -kernelSuffix.length)
    const known = times.get(node)
    if (known === undefined) times.set(node, { opType: args?.op_name ?? '', list: [dur] })
    else known.list.push(dur)
  }
  const means = [...times].map(([name, { opType, list }]) => ({ name, opType, us: middleMean(list.slice(warmUpRuns)) }))
  // Tracing takes some 2 us an operator, in which the smallest of a model does next to nothing.
  const tracing = Math.max(0, Math.min(...means.map(({ us }) => us)) - leastUs)
  return means.map(({ us, ...operator }) => ({ ...operator, us: us - tracing }))
}

function middleMean(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const cut = Math.floor(sorted.length * trimmed)
  const kept = sorted.slice(cut, sorted.length - cut)
  return kept.reduce((sum, value) => sum + value, 0) / Math.max(kept.length, 1)
}
