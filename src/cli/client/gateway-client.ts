import { QuantdError } from '../../errors.js'
import type { Job } from '../../gateway/jobs/job.js'
import type { Note } from '../../hardware/hardware.js'

export type Json = Readonly<Record<string, unknown>>

/** One gateway, over its control socket or its broker. Every call throws RemoteRefusal for a refusal, ERR_CLI_NO_ANSWER when nothing comes back. */
export interface GatewayClient {
  /** For messages: 'control socket /run/quantd/control.sock', 'gateway gw1 on mqtt://host'. */
  readonly where: string
  command(verb: string, body: Json): Promise<Json>
  models(): Promise<readonly Json[]>
  devices(): Promise<readonly Json[]>
  jobs(): Promise<readonly Job[]>
  /** Calls `changed` for each change until the job has ended. @returns its last state */
  follow(jobId: string, changed: (job: Job) => void): Promise<Job>
  /** Probes that found nothing, and why; only the control socket tells. */
  notes?(): Promise<readonly Note[]>
  /** Sends a .tar; only the control socket can. @returns its sha256 for `load` */
  upload?(tar: NodeJS.ReadableStream): Promise<string>
  /** Removes an uploaded .tar that is not needed any more. */
  discard?(sha256: string): Promise<void>
  close(): Promise<void>
}

/** The list that a listing command answers with under `key`. @throws ERR_CLI_ANSWER when there is none */
export function listOf<T>(answer: Json, key: string): readonly T[] {
  const list = answer[key]
  if (Array.isArray(list)) return list as readonly T[]
  throw new QuantdError('ERR_CLI_ANSWER', `the gateway's list of ${key} is no list`, { details: { found: Object.keys(answer) } })
}
