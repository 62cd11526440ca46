import type { Job } from '../../gateway/jobs/job.js'

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
  /** Sends a .tar; only the control socket can. @returns its sha256 for `load` */
  upload?(tar: NodeJS.ReadableStream): Promise<string>
  close(): Promise<void>
}
