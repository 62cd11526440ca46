import { z } from 'zod'
import { QuantdError } from '../../errors.js'
import { timingOf } from '../../quantization/accuracy/judge-speed.js'
import { ModelName } from '../../samples/manifest.js'
import type { Capture } from '../calibration/capture.js'
import { goldenRequest } from '../calibration/golden-request.js'
import type { Models } from '../models/model.js'
import type { JobContext, JobKind, JobOutcome } from './job-kind.js'

/** Body of the `bench` command, and what its job is told. */
export const BenchRequest = z.strictObject({
  model: ModelName,
  version: z.string().min(1).max(32).optional().describe('default: the one that answers, or the last int8 when that is float'),
  devices: z.array(z.string()).default(['*']),
  seconds: z.number().min(1).max(600).default(10),
})

/** Rounds per look at the clock. */
const roundsAtOnce = 20

export interface BenchOptions {
  readonly models: Models
  readonly capture: Capture
}

/** Times float and an int8 version of one model in turn, in the device worker that serves, on a captured request. */
export function benchJob({ models, capture }: BenchOptions): JobKind {
  return {
    kind: 'bench',
    sizeBytes: () => 0,
    async execute({ job, signal, update }: JobContext): Promise<JobOutcome> {
      const { model, version, seconds } = BenchRequest.parse(job.request)
      const target = version ?? benchVersion(models, model)
      const request = await goldenRequest(capture, model)
      if (request === undefined) {
        throw new QuantdError('ERR_JOB_SAMPLES', `model '${model}': no captured request to time on: turn capture on and send one`, {
          details: { model },
        })
      }
      const times: [number[], number[]] = [[], []]
      const start = performance.now()
      const elapsed = () => (performance.now() - start) / 1000
      do {
        const [float, other] = await models.compare(model, ['1', target], request, roundsAtOnce, signal)
        times[0].push(...(float ?? []))
        times[1].push(...(other ?? []))
        update({ stage: 'warm', progress: Math.min(0.99, elapsed() / seconds) })
      } while (elapsed() < seconds)
      const { float_us, int8_us, ratio, low, high, rounds } = timingOf(times)
      const sentence = `version ${target} takes ${ratio.toFixed(2)} of the time of float (${low.toFixed(2)} to ${high.toFixed(2)}): ${float_us.toFixed(0)} and ${int8_us.toFixed(0)} us, ${rounds} rounds`
      return { state: 'succeeded', sentence, version: target, metrics: { float_us, version_us: int8_us, ratio, low, high, rounds } }
    },
  }
}

/** @throws ERR_JOB_SAMPLES when the model has no int8 version yet */
function benchVersion(models: Models, name: string): string {
  const { active, versions } = models.get(name)
  const last = versions.filter(({ kind }) => kind === 'int8').at(-1)?.version
  const found = active !== undefined && active !== '1' ? active : last
  if (found !== undefined) return found
  throw new QuantdError('ERR_JOB_SAMPLES', `model '${name}' has no int8 version to time against float: requantize it first`, {
    details: { model: name },
  })
}
