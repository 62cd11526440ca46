import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import { runLimited } from '../../process/limited-child.js'
import type { JobContext } from './job-kind.js'
import { jobProgress } from './progress.js'
import {
  type JudgeAnswer,
  type JudgeTask,
  type MakeAnswer,
  type MakeTask,
  taskFiles,
  type WorkerEvent,
  type WorkerTask,
} from './worker-task.js'

const log = logger('gateway/jobs')

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
export async function askJobWorker(task: MakeTask, context: JobContext, settings: WorkerSettings): Promise<Asked<MakeAnswer>>
export async function askJobWorker(task: JudgeTask, context: JobContext, settings: WorkerSettings): Promise<Asked<JudgeAnswer>>
export async function askJobWorker(
  task: WorkerTask,
  context: JobContext,
  settings: WorkerSettings,
): Promise<Asked<MakeAnswer | JudgeAnswer>> {
  try {
    return { ...(await runWorker(task, context, settings)), starts: 1 }
  } catch (error) {
    if (errorCode(error) !== 'ERR_WORKER_GONE' || !hasCheckpoint(task)) throw error
    log.warn({ job: context.job.job_id, error: errorMessage(error) }, 'job worker ended before it answered, goes on from its checkpoint')
  }
  return { ...(await runWorker(task, context, settings)), starts: 2 }
}

const hasCheckpoint = (task: WorkerTask): boolean =>
  task.do === 'make' && task.forms.some(({ folder }) => existsSync(join(folder, taskFiles.checkpoint)))

async function runWorker(
  task: WorkerTask,
  { signal, update }: JobContext,
  { memory_mb, timeout_s }: WorkerSettings,
): Promise<MakeAnswer | JudgeAnswer> {
  const { meta } = await runLimited({
    entry: new URL('./worker.js', import.meta.url),
    name: 'job worker',
    request: task,
    env: task.env,
    memoryMiB: memory_mb,
    timeoutMs: Math.min(timeout_s * 1000, 2 ** 31 - 1),
    signal,
    nice: 19,
    oomScore: 1000,
    onEvent: event => {
      const { stage, progress, etaS, part } = event.meta as WorkerEvent
      // What one device may still take says little of those that follow it.
      const isLast = part === undefined || part.index === part.count - 1
      update({ ...jobProgress(stage, progress, part), ...(etaS === undefined || !isLast ? {} : { etaS }) })
    },
  })
  // Our own worker, compiled against the same types.
  return meta as MakeAnswer | JudgeAnswer
}
