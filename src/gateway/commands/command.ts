import type { z } from 'zod'
import type { Device } from '../../hardware/device.js'
import type { Capture } from '../calibration/capture.js'
import type { Jobs } from '../jobs/job.js'
import type { Models } from '../models/model.js'
import type { Serving } from '../serving/serving.js'

/** What commands may use; `daemon.ts` hands in the real ones. */
export interface Services {
  readonly models: Models
  readonly jobs: Jobs
  readonly capture: Capture
  readonly serving: Serving
  readonly devices: () => readonly Device[]
  readonly daemon: {
    drain(): Promise<void>
    resume(): void
    reloadConfig(): Promise<{ readonly restart_required: readonly string[] }>
    /** Folder where `load` finds what was uploaded through the control socket, by hash; fetches what MQTT names by address. */
    fetchBundle(source: { url?: string; sha256: string }): Promise<string>
  }
}

export interface Call {
  /** User name of who asked; 'cli' on the control socket, 'cron' for the schedule. */
  readonly caller: string
  readonly trigger: 'mqtt' | 'cli' | 'cron'
  /** Correlation of the request when it is a UUID. */
  readonly id?: string
  readonly signal: AbortSignal
}

/**
 * One verb: its request schema and what it does. Knows no topic, no payload bytes, no transport; MQTT, control socket and schedule call the same.
 * The answer is plain JSON; one with a `job_id` is answered with status 202, anything else with 200.
 */
export interface Command<S extends z.ZodType = z.ZodType> {
  readonly verb: string
  readonly help: string
  readonly request: S
  readonly timeoutMs: number
  handle(request: z.infer<S>, call: Call, services: Services): Promise<object>
}

export function defineCommand<S extends z.ZodType>(command: Command<S>): Command<S> {
  return Object.freeze(command)
}
