import { BenchRequest } from '../jobs/bench-job.js'
import { defineCommand } from './command.js'
import { requireDevices } from './device-pattern.js'

/** Times float and the other forms of a model in turn, each on the device that serves it; answers at once with the job that does so. */
export const bench = defineCommand({
  verb: 'bench',
  help: 'time float and the other forms of a model in turn',
  request: BenchRequest,
  timeoutMs: 10_000,
  async handle(request, { trigger, caller, id }, { devices, jobs, models }) {
    models.get(request.model)
    requireDevices(request.devices, devices())
    const start = { kind: 'bench', model: request.model, request, trigger, caller, ...(id === undefined ? {} : { id }) } as const
    const { job_id, state } = await jobs.start(start)
    return { job_id, state }
  },
})
