import { availableParallelism, loadavg } from 'node:os'
import { schedule as cron, type ScheduledTask } from 'node-cron'
import { errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { type Clock, systemClock } from '../../time.js'
import type { Capture } from '../calibration/capture.js'
import { isTerminal, type Job, type Jobs } from '../jobs/job.js'
import type { StateStore } from '../store/state-store.js'
import { type GuardFacts, guardReason, type ScheduleEntry } from './guards.js'

const log = logger('gateway/schedule')

/** What an entry did when it was last due. */
export interface ScheduleRecord {
  readonly at: string
  readonly outcome: 'started' | 'skipped' | 'queued' | 'failed'
  /** The job's id, or why there is none. */
  readonly what: string
}

export interface ScheduleStatus {
  readonly model: string
  readonly cron: string
  readonly timezone: string
  readonly next: string | undefined
  readonly last: ScheduleRecord | undefined
}

export interface ScheduleOptions {
  readonly store: StateStore
  readonly jobs: Pick<Jobs, 'list' | 'on'>
  readonly capture: Pick<Capture, 'state'>
  /** Starts what the `requantize` command starts, in the name of the schedule. */
  readonly requantize: (request: Readonly<Record<string, unknown>>) => Promise<{ readonly job_id: string }>
  readonly clock?: Clock
  /** Percent of all cores over the last minute. */
  readonly loadPercent?: () => number
}

interface Active {
  readonly entry: ScheduleEntry
  readonly task: ScheduledTask
}

/**
 * Re-quantization by cron expressions in a time zone. Every time that an entry is due ends in a job or in a recorded reason. `overlap: queue` remembers one
 * run while a job of the model goes on, `skip` none.
 */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #clock: Clock
  readonly #active: Active[] = []
  readonly #waiting = new Map<string, ScheduleEntry>()
  /** Model -> monotonic time at which its last job ended in this process. */
  readonly #endedAt = new Map<string, number>()
  #unsubscribe: (() => void) | undefined

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Replaces all entries: all of them are right, or nothing changes. @throws ERR_SCHEDULE_CRON */
  start(entries: readonly ScheduleEntry[]): void {
    const started: Active[] = []
    try {
      for (const entry of entries) started.push({ entry, task: this.#task(entry) })
    } catch (error) {
      for (const { task } of started) void task.destroy()
      throw error
    }
    this.#destroyTasks()
    this.#active.push(...started)
    this.#unsubscribe ??= this.#options.jobs.on(job => this.#onJob(job))
    for (const { entry } of started) log.info({ model: entry.model, cron: entry.cron, timezone: entry.timezone }, 'schedule entry')
  }

  /** Safe to call twice. */
  stop(): void {
    this.#destroyTasks()
    this.#waiting.clear()
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
  }

  list(): readonly ScheduleStatus[] {
    return this.#active.map(({ entry, task }) => ({
      model: entry.model,
      cron: entry.cron,
      timezone: entry.timezone,
      next: task.getNextRun()?.toISOString(),
      last: this.#record(entry),
    }))
  }

  #task(entry: ScheduleEntry): ScheduledTask {
    try {
      const task = cron(entry.cron, () => this.#due(entry), {
        timezone: entry.timezone,
        suppressMissedWarning: true,
        unref: true,
      })
      task.on('execution:missed', () => this.#note(entry, 'skipped', 'missed: the daemon was busy, asleep, or the clock jumped'))
      return task
    } catch (error) {
      throw new QuantdError(
        'ERR_SCHEDULE_CRON',
        `schedule of '${entry.model}': '${entry.cron}' in '${entry.timezone}': ${errorMessage(error)}`,
        {
          details: { model: entry.model, cron: entry.cron, timezone: entry.timezone },
          cause: error,
        },
      )
    }
  }

  #destroyTasks(): void {
    for (const { task } of this.#active.splice(0)) void task.destroy()
  }

  /** Never throws: what hinders a run is its record. */
  async #due(entry: ScheduleEntry): Promise<void> {
    const busy = this.#options.jobs.list().find(job => job.model === entry.model && !isTerminal(job.state))
    if (busy !== undefined) {
      const reason = `job ${busy.job_id} is ${busy.state}`
      if (entry.overlap === 'skip') return this.#note(entry, 'skipped', reason)
      this.#waiting.set(entry.model, entry)
      return this.#note(entry, 'queued', reason)
    }
    const reason = guardReason(entry, this.#facts(entry.model))
    if (reason !== undefined) return this.#note(entry, 'skipped', reason)
    try {
      const { job_id } = await this.#options.requantize({ ...entry.request, model: entry.model })
      this.#note(entry, 'started', job_id)
    } catch (error) {
      this.#note(entry, 'failed', errorMessage(error))
    }
  }

  #onJob(job: Job): void {
    if (!isTerminal(job.state)) return
    this.#endedAt.set(job.model, this.#clock.now())
    const entry = this.#waiting.get(job.model)
    this.#waiting.delete(job.model)
    // After the listeners of this change: the runner has then moved on.
    if (entry !== undefined) queueMicrotask(() => void this.#due({ ...entry, guards: { ...entry.guards, min_interval_h: 0 } }))
  }

  #facts(model: string): GuardFacts {
    return {
      samples: this.#options.capture.state(model).reservoir,
      hoursSinceJob: this.#hoursSinceJob(model),
      loadPercent: this.#options.loadPercent?.() ?? (loadavg()[0]! / availableParallelism()) * 100,
    }
  }

  /** Monotonic for what ended in this process; else by the wall clock, unless that says that the job ends in the future. */
  #hoursSinceJob(model: string): number | undefined {
    const endedAt = this.#endedAt.get(model)
    if (endedAt !== undefined) return (this.#clock.now() - endedAt) / 3_600_000
    const last = this.#options.jobs
      .list()
      .filter(job => job.model === model && job.finished_at !== undefined)
      .at(-1)
    if (last?.finished_at === undefined) return undefined
    const hours = (this.#clock.wall() - Date.parse(last.finished_at)) / 3_600_000
    return hours < 0 ? undefined : hours
  }

  #note(entry: ScheduleEntry, outcome: ScheduleRecord['outcome'], what: string): void {
    const record: ScheduleRecord = { at: new Date(this.#clock.wall()).toISOString(), outcome, what }
    log.info({ model: entry.model, cron: entry.cron, outcome, what }, 'schedule entry was due')
    const { store } = this.#options
    const statement = store.database.prepare(
      'INSERT INTO schedule (entry, record) VALUES (?, ?) ON CONFLICT (entry) DO UPDATE SET record = excluded.record',
    )
    try {
      store.transaction(() => statement.run(nameOf(entry), JSON.stringify(record)))
    } catch (error) {
      // The record is for people; the entry itself has done its work.
      log.warn({ model: entry.model, error: errorMessage(error) }, 'record of a schedule entry not written')
    }
  }

  #record(entry: ScheduleEntry): ScheduleRecord | undefined {
    const row = this.#options.store.database
      .prepare<[string], { record: string }>('SELECT record FROM schedule WHERE entry = ?')
      .get(nameOf(entry))
    // Written by `#note` alone.
    return row === undefined ? undefined : (JSON.parse(row.record) as ScheduleRecord)
  }
}

const nameOf = ({ model, cron: expression, timezone }: ScheduleEntry) => `${model} ${expression} ${timezone}`
