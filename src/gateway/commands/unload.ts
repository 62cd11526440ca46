import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { isTerminal } from '../jobs/job.js'
import { defineCommand } from './command.js'

/** Takes a model out of service and off the disk, with all its versions; its jobs end. What was captured for it stays until `erase`. */
export const unload = defineCommand({
  verb: 'unload',
  help: 'take a model out of service and off the disk',
  request: z.strictObject({ model: ModelName }),
  timeoutMs: 60_000,
  async handle({ model }, _, { jobs, models }) {
    models.get(model)
    for (const job of jobs.list()) if (job.model === model && !isTerminal(job.state)) await jobs.cancel(job.job_id)
    await models.unload(model)
    return { model, state: 'unloaded' }
  },
})
