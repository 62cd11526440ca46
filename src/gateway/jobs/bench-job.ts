import { z } from 'zod'
import { QuantdError } from '../../errors.js'
import { matchesDevice } from '../../hardware/device-pattern.js'
import { timingOf } from '../../quantization/accuracy/judge-speed.js'
import { ModelName } from '../../samples/manifest.js'
import type { Capture } from '../calibration/capture.js'
import { goldenRequest } from '../calibration/golden-request.js'
import type { Models, VersionRecord } from '../models/model.js'
import type { ServingDevices } from '../models/serving-devices.js'
import { Refusal } from '../wire-errors.js'
import { choiceEntry, referenceFigures } from './choice.js'
import type { JobContext, JobKind, JobOutcome } from './job-kind.js'

/** Body of the `bench` command, and what its job is told. */
export const BenchRequest = z.strictObject({
  model: ModelName,
  version: z.string().min(1).max(32).optional().describe('default: the newest of every engine and precision, and the one that answers'),
  devices: z.array(z.string()).default(['*']),
  seconds: z.number().min(1).max(600).default(10),
})

/** Rounds per look at the clock. */
const roundsAtOnce = 20

export interface BenchOptions {
  readonly models: Models
  readonly devices: ServingDevices
  readonly capture: Capture
}

/** Times float against one version, or against the newest of every engine and precision, in the device workers that serve, on a captured request. */
export function benchJob({ models, capture, devices }: BenchOptions): JobKind {
  return {
    kind: 'bench',
    sizeBytes: () => 0,
    async execute({ job, signal, update }: JobContext): Promise<JobOutcome> {
      const { model, version, devices: patterns, seconds } = BenchRequest.parse(job.request)
      const isHere = ({ device }: VersionRecord) =>
        devices.get(device) !== undefined && patterns.some(pattern => matchesDevice(pattern, device))
      const targets = version === undefined ? benchVersions(models, model).filter(isHere) : [versionOf(models, model, version)]
      if (targets.length === 0) throw nothingToTime(model)
      const request = await goldenRequest(capture, model)
      if (request === undefined) {
        throw new QuantdError('ERR_JOB_SAMPLES', `model '${model}': no captured request to time on: turn capture on and send one`, {
          details: { model },
        })
      }
      const timed: Timed[] = []
      for (const [index, target] of targets.entries()) {
        const times: [number[], number[]] = [[], []]
        const start = performance.now()
        const share = () => (performance.now() - start) / 1000 / (seconds / targets.length)
        do {
          const [float, other] = await models.compare(model, ['1', target.version], request, roundsAtOnce, signal)
          times[0].push(...(float ?? []))
          times[1].push(...(other ?? []))
          update({ stage: 'warm', progress: Math.min(0.99, (index + Math.min(1, share())) / targets.length) })
        } while (share() < 1)
        timed.push({ record: target, timing: timingOf(times) })
      }
      return outcomeOf(models, model, timed)
    },
  }
}

interface Timed {
  readonly record: VersionRecord
  readonly timing: ReturnType<typeof timingOf>
}

/** The version that answers in figures of its own, all of them in a table. */
function outcomeOf(models: Models, model: string, timed: readonly Timed[]): JobOutcome {
  const { active } = models.get(model)
  const told = timed.find(({ record }) => record.version === active) ?? timed.at(-1)!
  const { float_us, int8_us, ratio, low, high, rounds } = told.timing
  const { version } = told.record
  const sentence = `version ${version} takes ${ratio.toFixed(2)} of the time of float (${low.toFixed(2)} to ${high.toFixed(2)}): ${float_us.toFixed(0)} and ${int8_us.toFixed(0)} us, ${rounds} rounds`
  const rows = timed.map(({ record, timing }) => ({
    ...choiceEntry(models, model, record),
    ms: timing.int8_us / 1000,
    ratio: timing.ratio,
    low: timing.low,
    high: timing.high,
    chosen: record.version === active,
  }))
  const float = {
    ...choiceEntry(models, model, versionOf(models, model, '1')),
    ...referenceFigures(timed.flatMap(({ record: { judgement } }) => (judgement === undefined ? [] : [{ judgement }]))),
    ms: float_us / 1000,
    verdict: 'reference' as const,
    why: 'the float model of the bundle',
  }
  return {
    state: 'succeeded',
    sentence,
    version,
    metrics: { float_us, version_us: int8_us, ratio, low, high, rounds },
    candidates: [{ ...float, chosen: active === '1' }, ...rows],
  }
}

/** The newest version of every device, kind and precision, the one that answers in the place of its newer kin; float on the reference is what they are timed against. */
function benchVersions(models: Models, name: string): readonly VersionRecord[] {
  const { active, versions } = models.get(name)
  const newest = new Map<string, VersionRecord>()
  for (const record of versions) {
    const { version, device, kind, precision } = record
    const form = `${device} ${kind} ${precision}`
    if (version !== '1' && newest.get(form)?.version !== active) newest.set(form, record)
  }
  return [...newest.values()]
}

/** @throws Refusal VERSION_NOT_FOUND */
function versionOf(models: Models, name: string, version: string): VersionRecord {
  const found = models.get(name).versions.find(candidate => candidate.version === version)
  if (found !== undefined) return found
  throw new Refusal('VERSION_NOT_FOUND', 'ERR_MODEL_VERSION', `model '${name}' has no version ${version}`, {
    details: { model: name, version },
  })
}

const nothingToTime = (model: string) =>
  new QuantdError('ERR_JOB_SAMPLES', `model '${model}' has no other version to time against float: requantize it first`, {
    details: { model },
  })
