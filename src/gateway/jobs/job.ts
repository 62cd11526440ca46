import type { ChoiceEntry } from '../../quantization/report/report.js'

/** States of a job (mqtt-contract.md 4e). Terminal: all but queued and running. */
export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'rejected', 'timed_out', 'rolled_back'] as const
export type JobState = (typeof jobStates)[number]
export const isTerminal = (state: JobState): boolean => state !== 'queued' && state !== 'running'

export const jobStages = ['capture', 'calibrate', 'quantize', 'evaluate', 'compile', 'warm', 'activate'] as const
export type JobStage = (typeof jobStages)[number]

/** daemon: started by the gateway itself, after a change of engine or processor. */
export type JobTrigger = 'mqtt' | 'cli' | 'cron' | 'daemon'

/** As published, stored and shown. `rev` grows with every change; timestamps are ISO 8601. */
export interface Job {
  readonly job_id: string
  readonly kind: 'requantize' | 'judge' | 'bench'
  readonly model: string
  readonly state: JobState
  readonly stage?: JobStage
  readonly rev: number
  readonly progress: number
  readonly eta_s?: number
  readonly trigger: JobTrigger
  readonly caller: string
  readonly request: Readonly<Record<string, unknown>>
  /** One sentence: how it ended, or why it was refused. */
  readonly sentence?: string
  readonly metrics?: Readonly<Record<string, number | string | null>>
  /** What every form of the model reached, side by side. */
  readonly candidates?: readonly ChoiceEntry[]
  /** Version that the job made, refused or not. */
  readonly version?: string
  readonly error?: { readonly code: string; readonly message: string }
  readonly created_at: string
  readonly finished_at?: string
}

export interface StartJob {
  readonly kind: Job['kind']
  readonly model: string
  readonly request: Readonly<Record<string, unknown>>
  readonly trigger: JobTrigger
  readonly caller: string
  /** The caller's correlation when it is a UUID: a repeated command returns the same job. */
  readonly id?: string
}

/** Long work, one at a time on this host and one per model, in the store before it starts. */
export interface Jobs {
  /** @throws Refusal CONFLICT with the running job's id; INSUFFICIENT_STORAGE */
  start(job: StartJob): Promise<Job>
  get(id: string): Job | undefined
  list(): readonly Job[]
  /** @throws Refusal INVALID_ARGUMENT for an unknown id */
  cancel(id: string): Promise<Job>
  /** Every change, at most one a second per job, terminal states always. */
  on(listener: (job: Job) => void): () => void
  /** Settles every job that a crash left unfinished: failed, reason restart. */
  reconcile(): Promise<void>
  close(): Promise<void>
}
