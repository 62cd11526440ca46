import type { Job, JobStage, JobState } from './job.js'

export interface JobUpdate {
  readonly stage: JobStage
  /** 0..1 of the whole job. */
  readonly progress: number
  readonly metrics?: NonNullable<Job['metrics']>
  /** Seconds that the rest may take, where the work knows better than its share tells. */
  readonly etaS?: number
}

export interface JobContext {
  readonly job: Job
  /** Aborts on cancel, at the time limit, and when the daemon stops. */
  readonly signal: AbortSignal
  /** A folder of the job's own, removed when it ends. */
  readonly folder: string
  readonly update: (update: JobUpdate) => void
}

/** How a job that ran to its end is told. */
export interface JobOutcome {
  readonly state: Extract<JobState, 'succeeded' | 'rejected'>
  readonly sentence: string
  readonly metrics?: NonNullable<Job['metrics']>
  readonly candidates?: NonNullable<Job['candidates']>
  readonly version?: string
}

/** One kind of long work. */
export interface JobKind {
  readonly kind: Job['kind']
  /** Bytes of disk that the job may need. */
  sizeBytes(job: Pick<Job, 'model' | 'request'>): number
  /** Rejects with the reason of `signal` soon after it aborts; anything else that it throws fails the job. */
  execute(context: JobContext): Promise<JobOutcome>
}
