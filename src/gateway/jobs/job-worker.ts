import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import { runLimited } from '../../process/limited-child.js'
import { judgeSpeed } from '../../quantization/accuracy/judge-speed.js'
import type { Judgement } from '../../quantization/report/report.js'
import type { Models } from '../models/model.js'
import type { JobContext } from './job-kind.js'
import { jobProgress } from './progress.js'
import { type JudgeAnswer, type JudgeTask, type QuantizeAnswer, type QuantizeTask, taskFiles, type WorkerEvent } from './worker-task.js'

const log = logger('gateway/jobs')

/** Paired rounds of a timing: enough for an interval of a few percent on a busy gateway. */
const timingRounds = 101

export interface WorkerSettings {
  /** Threads of one inference in the worker. */
  readonly threads: number
  readonly memory_mb: number
  readonly timeout_s: number
  /** Metrics that a bundle brings as code may run in the worker. */
  readonly metric_modules: boolean
}

/** What the worker answered, and how often it had to be started. */
export type Asked<T> = T & { readonly starts: 1 | 2 }

/**
 * Runs one task in a process of its own at the lowest priority. A worker that ends before it answers and left a checkpoint is started once more and goes on
 * from there. @throws ERR_WORKER_MEMORY, ERR_WORKER_GONE, ERR_ABORTED, or what the task throws
 */
export async function askJobWorker(task: QuantizeTask, context: JobContext, settings: WorkerSettings): Promise<Asked<QuantizeAnswer>>
export async function askJobWorker(task: JudgeTask, context: JobContext, settings: WorkerSettings): Promise<Asked<JudgeAnswer>>
export async function askJobWorker(
  task: QuantizeTask | JudgeTask,
  context: JobContext,
  settings: WorkerSettings,
): Promise<Asked<JudgeAnswer>> {
  try {
    return { ...(await runWorker(task, context, settings)), starts: 1 }
  } catch (error) {
    if (errorCode(error) !== 'ERR_WORKER_GONE' || !existsSync(join(task.folder, taskFiles.checkpoint))) throw error
    log.warn({ job: context.job.job_id, error: errorMessage(error) }, 'job worker ended before it answered, goes on from its checkpoint')
  }
  return { ...(await runWorker(task, context, settings)), starts: 2 }
}

async function runWorker(
  task: QuantizeTask | JudgeTask,
  { signal, update }: JobContext,
  { memory_mb, timeout_s }: WorkerSettings,
): Promise<JudgeAnswer> {
  const { meta } = await runLimited({
    entry: new URL('./worker.js', import.meta.url),
    name: 'job worker',
    request: task,
    env: task.serving.env,
    memoryMiB: memory_mb,
    timeoutMs: Math.min(timeout_s * 1000, 2 ** 31 - 1),
    signal,
    nice: 19,
    oomScore: 1000,
    onEvent: event => {
      const { stage, progress, etaS } = event.meta as WorkerEvent
      update({ ...jobProgress(stage, progress), ...(etaS === undefined ? {} : { etaS }) })
    },
  })
  // Our own worker, compiled against the same types.
  return meta as JudgeAnswer
}

export interface TimedJudgement extends JudgeAnswer {
  readonly models: Models
  readonly version: string
  /** Where the worker left its files. */
  readonly folder: string
  /** What sentences call the version. */
  readonly subject?: string
}

/** The judgement with what timing says, of float and the version in turn, each in the device worker that serves it. */
export async function judgeTimed(
  { models, version, judgement, request, folder, subject }: TimedJudgement,
  { job, signal }: Pick<JobContext, 'job' | 'signal'>,
): Promise<Judgement> {
  if (request === undefined) {
    if (judgement.verdict === 'refused') return judgement
    return { ...judgement, verdict: 'unjudged', sentence: `no sample to time on: ${judgement.sentence}` }
  }
  const encoded = { ...request, body: await readFile(join(folder, taskFiles.request)) }
  const [float, int8] = await models.compare(job.model, ['1', version], encoded, timingRounds, signal)
  return judgeSpeed(judgement, [float ?? [], int8 ?? []], subject)
}

/** A judgement as the job shows it. */
export function judgementMetrics({ metric, float, int8, drop, agreement, snr_db, cosine, items, timing }: Judgement) {
  const times = timing === undefined ? {} : { float_us: timing.float_us, int8_us: timing.int8_us, ratio: timing.ratio }
  return { metric, float, int8, drop, agreement, snr_db, cosine, items, ...times }
}
