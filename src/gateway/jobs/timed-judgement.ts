import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { judgeSpeed } from '../../quantization/accuracy/judge-speed.js'
import type { Judgement } from '../../quantization/report/report.js'
import type { Models } from '../models/model.js'
import type { JobContext } from './job-kind.js'
import { type TimingRequest, taskFiles } from './worker-task.js'

/** Paired rounds of a timing: enough for an interval of a few percent on a busy gateway. */
const timingRounds = 101

/** Microseconds of float on the reference and of a version, round by round: `[float, version]`. */
export type PairedTimes = readonly [readonly number[], readonly number[]]

export interface TimeVersion {
  readonly models: Models
  readonly version: string
  /** How the sample that the worker left in the job's folder is encoded; undefined = there was none. */
  readonly request: TimingRequest | undefined
}

/**
 * Float and the version in turn on one sample, each in the device worker that serves it; undefined without a sample. Every version is timed against the same
 * float, the bundle's on the reference engine, in the same minutes: their ratios can be compared, their times cannot.
 */
export async function timeVersion(
  { models, version, request }: TimeVersion,
  { job, signal, folder }: Pick<JobContext, 'job' | 'signal' | 'folder'>,
): Promise<PairedTimes | undefined> {
  if (request === undefined) return undefined
  const encoded = { ...request, body: await readFile(join(folder, taskFiles.request)) }
  const [float, other] = await models.compare(job.model, ['1', version], encoded, timingRounds, signal)
  return [float ?? [], other ?? []]
}

/** The judgement with what timing says. @param subject what sentences call the version, where it is not plain int8 */
export function timedJudgement(judgement: Judgement, times: PairedTimes | undefined, subject?: string): Judgement {
  if (times !== undefined) return judgeSpeed(judgement, times, subject)
  if (judgement.verdict === 'refused') return judgement
  return { ...judgement, verdict: 'unjudged', sentence: `no sample to time on: ${judgement.sentence}` }
}

/** A judgement as the job shows it. */
export function judgementMetrics({ metric, float, int8, drop, agreement, snr_db, cosine, items, timing }: Judgement) {
  const times = timing === undefined ? {} : { float_us: timing.float_us, int8_us: timing.int8_us, ratio: timing.ratio }
  return { metric, float, int8, drop, agreement, snr_db, cosine, items, ...times }
}
