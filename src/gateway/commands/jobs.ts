import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

/** Jobs, oldest first: all, those of one model, or one. Reads only. */
export const jobs = defineCommand({
  verb: 'jobs',
  help: 'list jobs',
  request: z.strictObject({ model: ModelName.optional(), job_id: z.string().max(64).optional() }),
  timeoutMs: 10_000,
  handle: async ({ model, job_id }, _, { jobs: runner }) => ({
    jobs: runner.list().filter(job => (model ?? job.model) === job.model && (job_id ?? job.job_id) === job.job_id),
  }),
})
