import { z } from 'zod'
import { defineCommand } from './command.js'

/** Ends a job that waits or runs; answers with the job as it ended. */
export const cancel = defineCommand({
  verb: 'cancel',
  help: 'end a job that waits or runs',
  request: z.strictObject({ job_id: z.string().min(1).max(64) }),
  timeoutMs: 30_000,
  handle: async ({ job_id }, _, { jobs }) => ({ job: await jobs.cancel(job_id) }),
})
