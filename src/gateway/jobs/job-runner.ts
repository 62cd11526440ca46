import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ErrorCode, errorCode, errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { type Clock, systemClock } from '../../time.js'
import { requireSpace } from '../store/disk.js'
import type { StateStore } from '../store/state-store.js'
import { Refusal } from '../wire-errors.js'
import { isTerminal, type Job, type JobState, type Jobs, type StartJob } from './job.js'
import type { JobKind, JobOutcome } from './job-kind.js'
import { JobStore } from './job-store.js'
import { type TimedUpdate, UpdateLimiter } from './update-limiter.js'

const log = logger('gateway/jobs')

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export interface JobSettings {
  readonly timeout_s: number
  /** Finished jobs kept. */
  readonly keep: number
}

export interface JobRunnerOptions {
  readonly store: StateStore
  readonly kinds: readonly JobKind[]
  /** Read when a job starts or ends, so that a reloaded configuration counts. */
  readonly settings: () => JobSettings
  readonly reserveBytes: () => number
  readonly clock?: Clock
}

/** Why a running job is being ended: carried by its signal. */
class JobEnd extends Error {
  readonly state: Extract<JobState, 'cancelled' | 'timed_out' | 'failed'>
  readonly code: ErrorCode

  constructor(state: JobEnd['state'], code: ErrorCode, message: string) {
    super(message)
    this.state = state
    this.code = code
  }
}

type JobEnding = Pick<Job, 'state' | 'error'> & Omit<Partial<JobOutcome>, 'state'>

interface Running {
  readonly id: string
  readonly abort: AbortController
  readonly done: Promise<void>
}

/** The state machine of long work (mqtt-contract.md 4e): every state is in the store before it is told (as long as the disk takes it), one job runs at a time, the others queue. */
export class JobRunner implements Jobs {
  readonly #options: JobRunnerOptions
  readonly #clock: Clock
  readonly #store: JobStore
  readonly #jobs: Map<string, Job>
  readonly #listeners = new Set<(job: Job) => void>()
  #running: Running | undefined
  #closed = false

  constructor(options: JobRunnerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#store = new JobStore(options.store)
    this.#jobs = new Map(this.#store.list().map(job => [job.job_id, job]))
  }

  async start({ id, kind, model, request, trigger, caller }: StartJob): Promise<Job> {
    const known = id === undefined ? undefined : this.#jobs.get(id)
    if (known !== undefined) return known
    const busy = this.list().find(job => job.model === model && !isTerminal(job.state))
    if (busy !== undefined) {
      throw new Refusal('CONFLICT', 'ERR_JOB_BUSY', `model '${model}': job ${busy.job_id} is ${busy.state}`, {
        details: { job_id: busy.job_id, state: busy.state },
        retryAfterMs: (busy.eta_s ?? 10) * 1000,
      })
    }
    const sizeBytes = this.#kind(kind).sizeBytes({ model, request })
    if (sizeBytes > 0) {
      const purpose = `${kind} of '${model}'`
      requireSpace({ path: this.#options.store.folder, sizeBytes, reserveBytes: this.#options.reserveBytes(), purpose })
    }
    const job: Job = {
      job_id: id !== undefined && uuidPattern.test(id) ? id : randomUUID(),
      kind,
      model,
      state: 'queued',
      rev: 1,
      progress: 0,
      trigger,
      caller,
      request,
      created_at: this.#now(),
    }
    this.#store.insert(job)
    this.#jobs.set(job.job_id, job)
    log.info({ job: job.job_id, kind, model, trigger, caller }, 'job queued')
    this.#tell(job)
    this.#next()
    return this.#jobs.get(job.job_id) ?? job
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id)
  }

  list(): readonly Job[] {
    return [...this.#jobs.values()]
  }

  async cancel(id: string): Promise<Job> {
    const job = this.#jobs.get(id)
    if (job === undefined) {
      throw new Refusal('INVALID_ARGUMENT', 'ERR_JOB_UNKNOWN', `there is no job '${id}'`, { details: { job_id: id } })
    }
    if (isTerminal(job.state)) return job
    if (this.#running?.id === id) {
      this.#running.abort.abort(new JobEnd('cancelled', 'ERR_ABORTED', 'cancelled by the operator'))
      await this.#running.done
      return this.#jobs.get(id) ?? job
    }
    return this.#finish(job, { state: 'cancelled', sentence: 'cancelled before it started' })
  }

  on(listener: (job: Job) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async reconcile(): Promise<void> {
    for (const job of this.list()) {
      if (isTerminal(job.state) || job.job_id === this.#running?.id) continue
      this.#finish(job, {
        state: 'failed',
        sentence: `the daemon was restarted while this job was ${job.state}`,
        error: { code: 'ERR_JOB_INTERRUPTED', message: 'restart' },
      })
    }
    if (this.#running === undefined) await rm(this.#scratch(), { recursive: true, force: true })
  }

  /** Ends the running job as failed and starts none any more. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    this.#running?.abort.abort(new JobEnd('failed', 'ERR_JOB_INTERRUPTED', 'the daemon stopped'))
    await this.#running?.done
    for (const job of this.list()) {
      if (isTerminal(job.state)) continue
      this.#finish(job, {
        state: 'failed',
        sentence: 'the daemon stopped',
        error: { code: 'ERR_JOB_INTERRUPTED', message: 'the daemon stopped' },
      })
    }
  }

  #scratch(): string {
    return join(this.#options.store.folder, 'jobs')
  }

  #kind(kind: Job['kind']): JobKind {
    const found = this.#options.kinds.find(candidate => candidate.kind === kind)
    if (found === undefined) throw new QuantdError('ERR_INTERNAL', `no job of kind '${kind}'`)
    return found
  }

  #next(): void {
    if (this.#running !== undefined || this.#closed) return
    const job = this.list().find(({ state }) => state === 'queued')
    if (job === undefined) return
    const abort = new AbortController()
    const done = this.#run(job, abort).finally(() => {
      this.#running = undefined
      this.#next()
    })
    this.#running = { id: job.job_id, abort, done }
  }

  async #run(queued: Job, abort: AbortController): Promise<void> {
    const folder = join(this.#scratch(), queued.job_id)
    const deadlineS = typeof queued.request.deadline_s === 'number' ? queued.request.deadline_s : Number.POSITIVE_INFINITY
    const limitS = Math.min(this.#options.settings().timeout_s, deadlineS)
    const timer = setTimeout(
      () => abort.abort(new JobEnd('timed_out', 'ERR_TIMEOUT', `not done within ${limitS} s`)),
      Math.min(limitS * 1000, 2 ** 31 - 1),
    )
    const job = this.#change(queued, { state: 'running' })
    const updates = new UpdateLimiter(this.#clock, update => this.#progress(queued.job_id, update))
    let end: JobEnding
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      abort.signal.throwIfAborted()
      end = await this.#kind(job.kind).execute({ job, signal: abort.signal, folder, update: update => updates.push(update) })
    } catch (error) {
      end = endOf(error, abort.signal)
      if (end.error?.code === 'ERR_INTERNAL') log.error({ job: job.job_id, err: error }, 'job failed')
    }
    clearTimeout(timer)
    updates.stop()
    await rm(folder, { recursive: true, force: true })
    this.#finish(this.#current(job), end)
  }

  #progress(id: string, { stage, progress, metrics, etaS }: TimedUpdate): void {
    const job = this.#jobs.get(id)
    if (job === undefined || isTerminal(job.state)) return
    this.#change(job, {
      stage,
      progress: Math.max(job.progress, Math.min(1, progress)),
      ...(etaS === undefined ? {} : { eta_s: Math.ceil(etaS) }),
      ...(metrics === undefined ? {} : { metrics: { ...job.metrics, ...metrics } }),
    })
  }

  #finish(job: Job, outcome: JobEnding): Job {
    const { eta_s: _, ...rest } = job
    const finished = this.#change(rest, {
      ...outcome,
      progress: outcome.state === 'succeeded' || outcome.state === 'rejected' ? 1 : job.progress,
      finished_at: this.#now(),
    })
    log.info({ job: job.job_id, model: job.model, state: finished.state, sentence: finished.sentence }, 'job ended')
    this.#written(() => {
      for (const id of this.#store.prune(this.#options.settings().keep)) this.#jobs.delete(id)
    })
    return finished
  }

  #change(job: Job, change: Partial<Job>): Job {
    const changed: Job = { ...job, ...change, rev: job.rev + 1 }
    this.#written(() => this.#store.update(changed))
    this.#jobs.set(changed.job_id, changed)
    this.#tell(changed)
    return changed
  }

  /** A running job does not end because its progress cannot be written: after a restart it counts as interrupted. */
  #written(write: () => void): void {
    try {
      write()
    } catch (error) {
      log.error({ code: errorCode(error), error: errorMessage(error) }, 'state of a job not written')
    }
  }

  #current(job: Job): Job {
    return this.#jobs.get(job.job_id) ?? job
  }

  #tell(job: Job): void {
    for (const listener of this.#listeners) listener(job)
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString()
  }
}

/** What a job that did not come to its end is told as: why its signal was aborted, else the error. */
function endOf(error: unknown, signal: AbortSignal): JobEnding {
  const reason: unknown = signal.aborted ? signal.reason : undefined
  if (reason instanceof JobEnd)
    return { state: reason.state, sentence: reason.message, error: { code: reason.code, message: reason.message } }
  const message = errorMessage(error)
  return { state: 'failed', sentence: message, error: { code: errorCode(error), message } }
}
